package nft

import "keepgo/internal/nfwire"

// explain says what is not in force, why, and what to do about it.
func explain(err error) error {
	return nfwire.Explain(err, "the expressions nat, masq, ct, numgen, hash, lookup, dynset, counter and reject")
}
