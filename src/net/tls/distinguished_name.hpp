#pragma once

#include <string>

#include "base/slice.hpp"
#include "dohle/error.hpp"

namespace dohle::net {

/// A certificate's name, given as DER, as Java's X500Principal.getName() writes it (RFC 2253): the
/// last attribute first; CN, C, L, ST, O, OU, STREET, DC and UID by name, others by OID with the
/// value in hex. Mapping rules and ACLs of Kafka are written against this form. Unlike Java, a
/// value that is not UTF-8 is written in hex. Errors: malformed, if it is no name.
[[nodiscard]] Result<std::string> java_name_of(Bytes der);

}  // namespace dohle::net
