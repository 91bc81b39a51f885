#include "textflag.h"

// The entry point of the program, if the linker is told so (-E sigpipe_start): it catches signals before Go's runtime starts.
// SP points to argc, and nothing else matters to the runtime.
TEXT sigpipe_start(SB),NOSPLIT|NOFRAME|TOPFRAME,$0
	MOVL	$293, AX                 // SYS_pipe2
	LEAQ	·earlyFDs(SB), DI
	MOVL	$0x80800, SI             // O_CLOEXEC|O_NONBLOCK
	SYSCALL
	TESTQ	AX, AX
	JNZ	start
	CMPL	·earlyFDs(SB), $3
	JLT	standard
	CMPL	·earlyFDs+4(SB), $3
	JLT	standard
	MOVLQSX	·earlyFDs+4(SB), AX
	MOVQ	AX, ·writeFD(SB)
	LEAQ	·handler(SB), AX
	MOVQ	AX, ·earlyAction(SB)
	MOVQ	$0x1c000004, AX          // SA_RESTART|SA_ONSTACK|SA_RESTORER|SA_SIGINFO
	MOVQ	AX, ·earlyAction+8(SB)
	LEAQ	·restorer(SB), AX
	MOVQ	AX, ·earlyAction+16(SB)
	MOVQ	$-1, AX
	MOVQ	AX, ·earlyAction+24(SB)
	CALL	sigpipe_catch(SB)
start:
	JMP	_rt0_amd64_linux(SB)
standard:                                // a standard stream came in closed: the pipe must not take its place
	MOVL	$3, AX                   // SYS_close
	MOVLQSX	·earlyFDs(SB), DI
	SYSCALL
	MOVL	$3, AX
	MOVLQSX	·earlyFDs+4(SB), DI
	SYSCALL
	MOVQ	$0, ·earlyFDs(SB)
	JMP	start

// sigpipe_catch has the handler called for each of earlySignals that is not ignored. It is also called from Go: it keeps what Go
// wants kept.
TEXT sigpipe_catch(SB),NOSPLIT|NOFRAME,$0
	CMPQ	·earlyAction(SB), $0     // the entry point did not run, or made no pipe
	JEQ	done
	MOVL	$1, R12                  // the signal; system calls keep R12
next:
	MOVQ	·earlySignals(SB), AX
	BTQ	R12, AX
	JCC	skip
	MOVL	$13, AX                  // SYS_rt_sigaction
	MOVQ	R12, DI
	XORL	SI, SI
	LEAQ	·earlyOld(SB), DX
	MOVL	$8, R10
	SYSCALL
	MOVQ	·earlyOld(SB), AX
	CMPQ	AX, $1                   // SIG_IGN
	JEQ	skip
	MOVL	$13, AX
	MOVQ	R12, DI
	LEAQ	·earlyAction(SB), SI
	XORL	DX, DX
	MOVL	$8, R10
	SYSCALL
skip:
	INCL	R12
	CMPL	R12, $64
	JLT	next
done:
	RET
