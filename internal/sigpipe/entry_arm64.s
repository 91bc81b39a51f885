#include "textflag.h"

// The entry point of the program, if the linker is told so (-E sigpipe_start): it catches signals before Go's runtime starts.
// RSP points to argc, and nothing else matters to the runtime.
TEXT sigpipe_start(SB),NOSPLIT|NOFRAME|TOPFRAME,$0
	MOVD	$59, R8                  // SYS_pipe2
	MOVD	$·earlyFDs(SB), R0
	MOVD	$0x80800, R1             // O_CLOEXEC|O_NONBLOCK
	SVC
	CBNZ	R0, start
	MOVW	·earlyFDs(SB), R0
	CMPW	$3, R0
	BLT	standard
	MOVW	·earlyFDs+4(SB), R0
	CMPW	$3, R0
	BLT	standard
	MOVD	R0, ·writeFD(SB)
	MOVD	$·earlyAction(SB), R1
	MOVD	$·handler(SB), R0
	MOVD	R0, (R1)
	MOVD	$0x18000004, R0          // SA_RESTART|SA_ONSTACK|SA_SIGINFO
	MOVD	R0, 8(R1)
	MOVD	$-1, R0
	MOVD	R0, 24(R1)
	BL	sigpipe_catch(SB)
start:
	JMP	_rt0_arm64_linux(SB)
standard:                                // a standard stream came in closed: the pipe must not take its place
	MOVD	$57, R8                  // SYS_close
	MOVW	·earlyFDs(SB), R0
	SVC
	MOVD	$57, R8
	MOVW	·earlyFDs+4(SB), R0
	SVC
	MOVD	ZR, ·earlyFDs(SB)
	JMP	start

// sigpipe_catch has the handler called for each of earlySignals that is not ignored. It is also called from Go: it keeps what Go
// wants kept.
TEXT sigpipe_catch(SB),NOSPLIT|NOFRAME,$0
	MOVD	·earlyAction(SB), R0
	CBZ	R0, done                 // the entry point did not run, or made no pipe
	MOVD	$1, R19                  // the signal; system calls keep R19
next:
	MOVD	·earlySignals(SB), R0
	LSR	R19, R0, R0
	TBZ	$0, R0, skip
	MOVD	$134, R8                 // SYS_rt_sigaction
	MOVD	R19, R0
	MOVD	ZR, R1
	MOVD	$·earlyOld(SB), R2
	MOVD	$8, R3
	SVC
	MOVD	·earlyOld(SB), R0
	CMP	$1, R0                   // SIG_IGN
	BEQ	skip
	MOVD	$134, R8
	MOVD	R19, R0
	MOVD	$·earlyAction(SB), R1
	MOVD	ZR, R2
	MOVD	$8, R3
	SVC
skip:
	ADD	$1, R19
	CMP	$64, R19
	BLT	next
done:
	RET
