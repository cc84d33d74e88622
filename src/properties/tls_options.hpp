#pragma once

#include "dohle/error.hpp"
#include "dohle/tls.hpp"
#include "properties/security.hpp"

namespace dohle::properties {

/// The options that the properties mean. Looks at the named files: whether one is a folder, and
/// whether it is PEM or PKCS#12. Errors: configuration: a file that cannot be read, and those of
/// store_type_of.
[[nodiscard]] Result<TlsOptions> tls_options(const TlsProperties& said);

}  // namespace dohle::properties
