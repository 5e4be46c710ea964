package ipvsadm

// Verb is what a command line asks for.
type Verb uint8

// The commands of ipvsadm(8).
const (
	Add Verb = iota
	Edit
	Delete
	Clear
	List
	AddServer
	EditServer
	DeleteServer
	StartDaemon
	StopDaemon
	Restore
	Save
	Zero
	SetTimeouts
	Help
	Version
)

// Changes says whether the verb changes services or servers.
func (v Verb) Changes() bool {
	return v <= Clear || v >= AddServer && v <= DeleteServer
}

// String is the verb as messages name it.
func (v Verb) String() string {
	return [...]string{"add-service", "edit-service", "delete-service", "flush", "list", "add-server", "edit-server",
		"delete-server", "start-daemon", "stop-daemon", "restore", "save", "zero", "set", "help", "version"}[v]
}

// option is a bit for everything that may stand beside a verb. Messages
// complain in this order.
type option uint64

const (
	optNumeric option = 1 << iota
	optConnection
	optService
	optScheduler
	optPersistent
	optNetmask
	optServer
	optForward
	optWeight
	optUpper
	optLower
	optInterface
	optTimeout
	optDaemon
	optStats
	optRate
	optThresholds
	optPersistentConn
	optNosort
	optSyncID
	optExact
	optOnePacket
	optEngine
	optFlags
	optGroup
	optPort
	optTTL
	optMaxLen
	optTunInfo
	optTunType
	optTunPort
	optTunNoCsum
	optTunCsum
	optTunRemCsum

	last = optTunRemCsum

	optNone option = 0 // taken everywhere, and without effect
)

// optionNames are the options as messages name them.
var optionNames = map[option]string{
	optNumeric: "numeric", optConnection: "connection", optService: "service-address", optScheduler: "scheduler",
	optPersistent: "persistent", optNetmask: "netmask", optServer: "real-server", optForward: "forwarding-method",
	optWeight: "weight", optUpper: "u-threshold", optLower: "l-threshold", optInterface: "mcast-interface",
	optTimeout: "timeout", optDaemon: "daemon", optStats: "stats", optRate: "rate", optThresholds: "thresholds",
	optPersistentConn: "persistent-conn", optNosort: "nosort", optSyncID: "syncid", optExact: "exact",
	optOnePacket: "ops", optEngine: "pe", optFlags: "sched-flags", optGroup: "mcast-group", optPort: "mcast-port",
	optTTL: "mcast-ttl", optMaxLen: "sync-maxlen", optTunInfo: "tun-info", optTunType: "tun-type",
	optTunPort: "tun-port", optTunNoCsum: "tun-nocsum", optTunCsum: "tun-csum", optTunRemCsum: "tun-remcsum",
}

// rule is what a verb, or a kind of tunnel, needs and takes. Of those in oneOf
// at most one may be given.
type rule struct{ needs, takes, oneOf option }

const (
	serviceOptions = optScheduler | optPersistent | optNetmask | optOnePacket | optEngine | optFlags
	sums           = optTunNoCsum | optTunCsum | optTunRemCsum
	tunnelOptions  = optTunType | optTunPort | sums
	serverOptions  = optForward | optWeight | optUpper | optLower | tunnelOptions
	formats        = optStats | optRate | optThresholds | optPersistentConn | optTunInfo
)

var rules = map[Verb]rule{
	Add:          {needs: optService, takes: serviceOptions},
	Edit:         {needs: optService, takes: serviceOptions},
	Delete:       {needs: optService},
	Clear:        {},
	AddServer:    {needs: optService | optServer, takes: serverOptions},
	EditServer:   {needs: optService | optServer, takes: serverOptions},
	DeleteServer: {needs: optService | optServer},
	StartDaemon:  {takes: optInterface | optSyncID | optGroup | optPort | optTTL | optMaxLen},
	StopDaemon:   {takes: optSyncID},
	Restore:      {},
	Save:         {takes: optNumeric},
	Zero:         {takes: optService},
	SetTimeouts:  {},
	List: {takes: optNumeric | optConnection | optService | optTimeout | optDaemon | formats | optNosort | optSyncID | optExact,
		oneOf: optConnection | optService | optTimeout | optDaemon},
}

// tunnelRules are those of the kinds of tunnel, by their name.
var tunnelRules = map[string]rule{
	"ipip": {},
	"gue":  {needs: optTunPort, takes: sums, oneOf: sums},
	"gre":  {takes: optTunNoCsum | optTunCsum, oneOf: optTunNoCsum | optTunCsum},
}

// broken is the first mistake in given by the rule: the kind of it and the
// options it is about.
func (r rule) broken(given, among option) (kind mistake, one, other option) {
	for o := option(1); o <= last; o <<= 1 {
		switch {
		case o&among == 0:
		case given&o == 0 && r.needs&o != 0:
			return missing, o, 0
		case given&o == 0:
		case (r.needs|r.takes)&o == 0:
			return illegal, o, 0
		case r.oneOf&o == 0:
		case other != 0:
			return conflict, o, other
		default:
			other = o
		}
	}
	return none, 0, 0
}

// mistake is how options break a rule.
type mistake uint8

const (
	none mistake = iota
	missing
	illegal
	conflict
)

// arity says whether an option has a value.
type arity uint8

const (
	never arity = iota
	perhaps
	always
)

// spelling is one way to write an option, or a verb.
type spelling struct {
	long   string
	letter byte // 0 for none
	takes  arity
	verb   Verb
	isVerb bool
	option option
	// value says what is meant where several spellings are the same option.
	value int
}

func verbs(v Verb, long string, letter byte, takes arity) spelling {
	return spelling{long: long, letter: letter, takes: takes, verb: v, isVerb: true}
}

// optIPv6 is not among the options that exclude each other: it belongs to -f.
const optIPv6 = last << 1

// spellings is what the command line may hold.
var spellings = []spelling{
	verbs(Add, "add-service", 'A', never), verbs(Edit, "edit-service", 'E', never),
	verbs(Delete, "delete-service", 'D', never), verbs(Clear, "clear", 'C', never),
	verbs(List, "list", 'L', never), verbs(List, "list", 'l', never),
	verbs(Zero, "zero", 'Z', never), verbs(AddServer, "add-server", 'a', never),
	verbs(EditServer, "edit-server", 'e', never), verbs(DeleteServer, "delete-server", 'd', never),
	verbs(SetTimeouts, "set", 0, never), verbs(Help, "help", 'h', never), verbs(Version, "version", 'v', never),
	verbs(Restore, "restore", 'R', never), verbs(Save, "save", 'S', never),
	verbs(StartDaemon, "start-daemon", 0, always), verbs(StopDaemon, "stop-daemon", 0, always),
	{long: "tcp-service", letter: 't', takes: always, option: optService, value: protocolTCP},
	{long: "udp-service", letter: 'u', takes: always, option: optService, value: protocolUDP},
	{long: "sctp-service", takes: always, option: optService, value: protocolSCTP},
	{long: "fwmark-service", letter: 'f', takes: always, option: optService},
	{long: "scheduler", letter: 's', takes: always, option: optScheduler},
	{long: "persistent", letter: 'p', takes: perhaps, option: optPersistent},
	{long: "netmask", letter: 'M', takes: always, option: optNetmask},
	{long: "real-server", letter: 'r', takes: always, option: optServer},
	{long: "masquerading", letter: 'm', option: optForward, value: forwardNAT},
	{long: "ipip", letter: 'i', option: optForward, value: forwardTunnel},
	{long: "gatewaying", letter: 'g', option: optForward, value: forwardDirect},
	{long: "weight", letter: 'w', takes: always, option: optWeight},
	{long: "u-threshold", letter: 'x', takes: always, option: optUpper},
	{long: "l-threshold", letter: 'y', takes: always, option: optLower},
	{long: "numeric", letter: 'n', option: optNumeric}, {long: "connection", letter: 'c', option: optConnection},
	{long: "mcast-interface", takes: always, option: optInterface}, {long: "syncid", takes: always, option: optSyncID},
	{long: "timeout", option: optTimeout}, {long: "daemon", option: optDaemon}, {long: "stats", option: optStats},
	{long: "rate", option: optRate}, {long: "thresholds", option: optThresholds},
	{long: "persistent-conn", option: optPersistentConn}, {long: "nosort", option: optNosort},
	{long: "sort", option: optNone}, {long: "exact", option: optExact}, {long: "ipv6", letter: '6', option: optIPv6},
	{long: "ops", letter: 'o', option: optOnePacket}, {long: "pe", takes: always, option: optEngine},
	{long: "sched-flags", letter: 'b', takes: always, option: optFlags},
	{long: "mcast-group", takes: always, option: optGroup}, {long: "mcast-port", takes: always, option: optPort},
	{long: "mcast-ttl", takes: always, option: optTTL}, {long: "sync-maxlen", takes: always, option: optMaxLen},
	{long: "tun-info", option: optTunInfo}, {long: "tun-type", takes: always, option: optTunType},
	{long: "tun-port", takes: always, option: optTunPort}, {long: "tun-nocsum", option: optTunNoCsum},
	{long: "tun-csum", option: optTunCsum}, {long: "tun-remcsum", option: optTunRemCsum},
}
