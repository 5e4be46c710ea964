// Package ipvsadm is the language of ipvsadm(8), version 1.31: its command
// line, its listings, what it saves and the messages for mistakes. It knows no
// kernel: a Command says what is asked for, and the listings are made of what
// was read.
package ipvsadm
