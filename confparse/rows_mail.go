package confparse

import "time"

// postRows say how the mail server is spoken to; keepalived speaks in the clear
// and without a name, and tries once.
func postRows() []row[globals] {
	type G = globals
	return []row[G]{
		field("smtp_tls", oneOf("kind of encryption", "off", "offered", "required", "implicit").or("off"), func(g *G) *string { return &g.SMTPTLS },
			"How mails are encrypted on their way to the server: with STARTTLS if it offers that, whatever its certificate; with STARTTLS and a valid certificate or not at all; or from the first byte (port 465).").ours(),
		field("smtp_ca_file", absolute().or("those of the system"), func(g *G) *string { return &g.SMTPCA }, "The certificates, in PEM form, that vouch for the mail server.").ours(),
		field("smtp_user", text("name").in("with smtp_password_file").or("none"), func(g *G) *string { return &g.SMTPUser }, "Who logs in at the mail server.").ours(),
		field("smtp_password_file", absolute(), func(g *G) *string { return &g.SMTPPasswordFile }, "The file whose first line is the password; it is read for every connection. Without encryption it is used only in ways that hide it.").ours(),
		field("smtp_patience", seconds(1, 86400).or(600), func(g *G) *time.Duration { return &g.SMTPPatience }, "How long a mail is tried while the server does not take it.").ours(),
	}
}

// completeMail checks what belongs together.
func (r *reader) completeMail() {
	g := &r.globals
	switch {
	case g.SMTPUser != "" && g.SMTPPasswordFile == "":
		r.fail(g, "smtp_user", "add 'smtp_password_file'", "smtp_user has no password; mails are sent without")
		g.SMTPUser = ""
	case g.SMTPUser == "" && g.SMTPPasswordFile != "":
		r.warn(g, "smtp_password_file", "add 'smtp_user'", "smtp_password_file is not used without smtp_user")
	}
	if g.SMTPCA != "" && g.SMTPTLS != "required" && g.SMTPTLS != "implicit" {
		r.warn(g, "smtp_ca_file", "set 'smtp_tls required'", "no certificate is looked at with smtp_tls %s", or(g.SMTPTLS, "off"))
	}
}
