#include "textflag.h"

// The handler. The kernel calls it with the signal's number in R0, its siginfo_t in R1 and the interrupted context in R2, on
// the alternate stack that Go's runtime has given to the thread. Nothing has to be kept: it returns to the kernel's own
// trampoline in the vDSO, which has all registers put back.
TEXT ·handler(SB),NOSPLIT|NOFRAME|TOPFRAME,$0
	MOVW	8(R1), R3                // si_code: above 0 if the kernel raised it
	CMPW	$0, R3
	BLE	sent
	MOVD	$·chained(SB), R4
	MOVD	(R4)(R0<<3), R5
	CBZ	R5, sent
	JMP	(R5)                     // a fault: it is the runtime's
sent:
	SUB	$16, RSP
	MOVB	R0, 8(RSP)
	MOVD	·writeFD(SB), R0
	ADD	$8, RSP, R1
	MOVD	$1, R2
	MOVD	$64, R8                  // SYS_write
	SVC
	CMP	$1, R0
	BEQ	written
	MOVBU	8(RSP), R3
	SUB	$1, R3
	MOVD	$1, R4
	LSL	R3, R4, R4
	MOVD	$·missed(SB), R5
again:
	LDAXR	(R5), R6
	ORR	R4, R6
	STLXR	R6, (R5), R7
	CBNZ	R7, again
written:
	ADD	$16, RSP
	RET

TEXT ·handlerPC(SB),NOSPLIT,$0-8
	MOVD	$·handler(SB), R0
	MOVD	R0, ret+0(FP)
	RET

TEXT ·restorerPC(SB),NOSPLIT,$0-8
	MOVD	ZR, ret+0(FP)
	RET
