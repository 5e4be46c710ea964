package snmp

func (s *snapshot) check() []table { return nil }
