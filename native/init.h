// berth-init's own seam: main hands over to the part that stays with `keep`.
#pragma once
#include "shim.h"

struct company {
  int process; // pidfd
  int ear;     // the child's end tells `cloned`, and closes with execve
  int console; // brings the terminal's master; -1 without a terminal
  int channel;
};
void prepare_company(void); // before the process is made: from here on signals wait to be passed on
_Noreturn void keep_company(struct company *company);
