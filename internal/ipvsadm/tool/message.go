package tool

import (
	"errors"
	"strings"

	"golang.org/x/sys/unix"

	"keepgo/internal/ipvsadm"
)

// special is what ipvsadm calls an error of the kernel after certain commands.
var special = map[ipvsadm.Verb]map[unix.Errno]string{
	ipvsadm.Add: {
		unix.EEXIST: "Service already exists",
		unix.ENOENT: "Scheduler or persistence engine not found",
	},
	ipvsadm.Edit: {
		unix.ESRCH:  noService,
		unix.ENOENT: "Scheduler or persistence engine not found",
	},
	ipvsadm.Delete:       {unix.ESRCH: noService},
	ipvsadm.Zero:         {unix.ESRCH: noService},
	ipvsadm.List:         {unix.ESRCH: noService},
	ipvsadm.AddServer:    {unix.ESRCH: undefined, unix.EEXIST: "Destination already exists"},
	ipvsadm.EditServer:   {unix.ESRCH: undefined, unix.ENOENT: noServer},
	ipvsadm.DeleteServer: {unix.ESRCH: undefined, unix.ENOENT: noServer},
	ipvsadm.StartDaemon:  {unix.EEXIST: "Daemon has already run"},
	ipvsadm.StopDaemon:   {unix.ESRCH: "No daemon is running"},
}

const (
	noService = "No such service"
	noServer  = "No such destination"
	undefined = "Service not defined"
)

// general is what it calls errors after any command.
var general = map[unix.Errno]string{
	unix.EPERM:       "Permission denied (you must be root)",
	unix.EINVAL:      "Invalid operation.  Possibly wrong module version, address not unicast, ...",
	unix.ENOPROTOOPT: "Protocol not available",
	unix.ENOMEM:      "Memory allocation problem",
}

// message is an error as ipvsadm puts it: the C library's words, which begin
// with a capital letter, where it has none of its own.
func message(v ipvsadm.Verb, err error) string {
	var number unix.Errno
	if !errors.As(err, &number) {
		return err.Error()
	}
	if text := special[v][number]; text != "" {
		return text
	}
	if text := general[number]; text != "" {
		return text
	}
	text := number.Error()
	return strings.ToUpper(text[:1]) + text[1:]
}
