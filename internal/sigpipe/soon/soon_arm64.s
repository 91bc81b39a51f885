#include "textflag.h"

TEXT ·catch(SB),NOSPLIT|NOFRAME,$0
	JMP	sigpipe_catch(SB)
