package bus

import "strings"

// The interfaces of the objects.
const (
	generalInterface  = "org.keepalived.Vrrp1.Vrrp"
	instanceInterface = "org.keepalived.Vrrp1.Instance"
	properties        = "org.freedesktop.DBus.Properties"
	introspectable    = "org.freedesktop.DBus.Introspectable"
)

// The XML of introspection: D-Bus Specification, "Introspection Data Format".
const (
	doctype = `<!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">
`
	standardXML = `  <interface name="org.freedesktop.DBus.Properties">
    <method name="Get">
      <arg type="s" name="interface_name" direction="in"/>
      <arg type="s" name="property_name" direction="in"/>
      <arg type="v" name="value" direction="out"/>
    </method>
    <method name="GetAll">
      <arg type="s" name="interface_name" direction="in"/>
      <arg type="a{sv}" name="properties" direction="out"/>
    </method>
    <method name="Set">
      <arg type="s" name="interface_name" direction="in"/>
      <arg type="s" name="property_name" direction="in"/>
      <arg type="v" name="value" direction="in"/>
    </method>
    <signal name="PropertiesChanged">
      <arg type="s" name="interface_name"/>
      <arg type="a{sv}" name="changed_properties"/>
      <arg type="as" name="invalidated_properties"/>
    </signal>
  </interface>
  <interface name="org.freedesktop.DBus.Introspectable">
    <method name="Introspect">
      <arg type="s" name="xml_data" direction="out"/>
    </method>
  </interface>
  <interface name="org.freedesktop.DBus.Peer">
    <method name="Ping"/>
    <method name="GetMachineId">
      <arg type="s" name="machine_uuid" direction="out"/>
    </method>
  </interface>
`
	generalXML = `  <interface name="org.keepalived.Vrrp1.Vrrp">
    <method name="PrintData"/>
    <method name="PrintStats"/>
    <method name="PrintStatsClear"/>
    <method name="ReloadConfig"/>
    <signal name="VrrpStarted"/>
    <signal name="VrrpReloaded"/>
    <signal name="VrrpStopped"/>
  </interface>
`
	// Name is a string here and a structure of one string when it is read: so
	// keepalived has it, and so its clients take it.
	instanceXML = `  <interface name="org.keepalived.Vrrp1.Instance">
    <method name="SendGarp"/>
    <signal name="VrrpStatusChange">
      <arg type="u" name="status"/>
    </signal>
    <property type="s" name="Name" access="read"/>
    <property type="(us)" name="State" access="read"/>
  </interface>
`
)

// introspect describes a path; where nothing is, it is an empty node.
func (t *tree) introspect(path string) string {
	var b strings.Builder
	b.WriteString(doctype + "<node>\n")
	switch {
	case path == t.general:
		b.WriteString(standardXML + generalXML)
	case t.byPath[path] != nil:
		b.WriteString(standardXML + instanceXML)
	}
	for _, name := range t.below[path] {
		b.WriteString(`  <node name="` + name + "\"/>\n")
	}
	b.WriteString("</node>\n")
	return b.String()
}
