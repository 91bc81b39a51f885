#include "textflag.h"

// The handler. The kernel calls it with the signal's number in DI, its siginfo_t in SI and the interrupted context in DX, on
// the alternate stack that Go's runtime has given to the thread. Nothing has to be kept: the restorer has the kernel put all
// registers back.
TEXT ·handler(SB),NOSPLIT|NOFRAME|TOPFRAME,$0
	MOVL	8(SI), AX                // si_code: above 0 if the kernel raised it
	CMPL	AX, $0
	JLE	sent
	LEAQ	·chained(SB), R8
	MOVQ	(R8)(DI*8), R8
	TESTQ	R8, R8
	JZ	sent
	JMP	R8                       // a fault: it is the runtime's
sent:
	SUBQ	$24, SP
	MOVB	DI, 8(SP)
	MOVQ	·writeFD(SB), DI
	LEAQ	8(SP), SI
	MOVL	$1, DX
	MOVL	$1, AX                   // SYS_write
	SYSCALL
	CMPQ	AX, $1
	JEQ	written
	MOVBQZX	8(SP), CX
	DECQ	CX
	MOVL	$1, AX
	SHLQ	CX, AX
	LOCK
	ORQ	AX, ·missed(SB)
written:
	ADDQ	$24, SP
	RET

TEXT ·restorer(SB),NOSPLIT|NOFRAME|TOPFRAME,$0
	MOVL	$15, AX                  // SYS_rt_sigreturn
	SYSCALL
	INT	$3                       // not reached

TEXT ·handlerPC(SB),NOSPLIT,$0-8
	LEAQ	·handler(SB), AX
	MOVQ	AX, ret+0(FP)
	RET

TEXT ·restorerPC(SB),NOSPLIT,$0-8
	LEAQ	·restorer(SB), AX
	MOVQ	AX, ret+0(FP)
	RET
