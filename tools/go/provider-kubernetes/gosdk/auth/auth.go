// Package auth holds the types that package gosdk's users name.
package auth

// BearerToken is always empty.
type BearerToken struct {
	Token string
}

// PrivateKeyParser does nothing.
type PrivateKeyParser struct{}

// NewPrivateKeyParser ignores the key.
func NewPrivateKeyParser([]byte, string, string) PrivateKeyParser { return PrivateKeyParser{} }
