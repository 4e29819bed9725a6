// Package gosdk stands in for the SDK of a cloud that Freehold does not use:
// enough for provider-kubernetes to compile, and an error for whoever asks it.
package gosdk

import (
	"context"
	"errors"

	"github.com/nebius/gosdk/auth"
)

var errLeftOut = errors.New("logging in to Nebius is left out of this build")

// SDK cannot be made.
type SDK struct{}

// Option is ignored.
type Option struct{}

// Credentials are ignored.
type Credentials struct{}

// New says that it is left out.
func New(context.Context, ...Option) (*SDK, error) { return nil, errLeftOut }

// WithCredentials is ignored.
func WithCredentials(Credentials) Option { return Option{} }

// ServiceAccountReader is ignored.
func ServiceAccountReader(auth.PrivateKeyParser) Credentials { return Credentials{} }

// BearerToken says that it is left out.
func (*SDK) BearerToken(context.Context) (auth.BearerToken, error) {
	return auth.BearerToken{}, errLeftOut
}

// Close does nothing.
func (*SDK) Close() error { return nil }
