package filter

import (
	"fmt"

	"keepgo/internal/nfwire"
)

// explain says what is not in force, why, and what to do about it.
func explain(err error) error {
	err = nfwire.Explain(err, "the expressions meta, payload, lookup, counter and the hash sets")
	return fmt.Errorf("%w; until then virtual addresses are not protected by no_accept, and VMACs not kept quiet", err)
}
