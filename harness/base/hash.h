/* hash.h - identity of data and of rows: SHA-256 and random UUIDs. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>

#include "harness/base/err.h"

enum { SHA256_HEX_SIZE = 65, UUID_SIZE = 37 };

/* 64 lower-case hex digits of the SHA-256 of n bytes. */
void sha256_hex(const void *data, size_t n, char out[SHA256_HEX_SIZE]);

/* The same of a file's contents; ERR_IO names the file. */
enum err sha256_file_hex(const char *path, char out[SHA256_HEX_SIZE]) MUST_CHECK;

/* A random (version 4) UUID from the kernel: "f81d4fae-7dec-41d0-a765-00a0c91e6bf6". */
enum err uuid_make(char out[UUID_SIZE]) MUST_CHECK;

#endif
