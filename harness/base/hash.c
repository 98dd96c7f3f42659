/* hash.c - SHA-256 by libmd, UUIDs from getrandom. */
#include "harness/base/hash.h"

#include <errno.h>
#include <sha256.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

static void hex(const uint8_t *bytes, size_t n, char *out)
{
    static const char digit[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        *out++ = digit[bytes[i] >> 4];
        *out++ = digit[bytes[i] & 15];
    }
    *out = '\0';
}

static void finish(SHA2_CTX *ctx, char out[SHA256_HEX_SIZE])
{
    uint8_t digest[SHA256_DIGEST_LENGTH];
    SHA256Final(digest, ctx);
    hex(digest, sizeof digest, out);
}

void sha256_hex(const void *data, size_t n, char out[SHA256_HEX_SIZE])
{
    SHA2_CTX ctx;
    SHA256Init(&ctx);
    if (n) SHA256Update(&ctx, data, n);
    finish(&ctx, out);
}

enum err sha256_file_hex(const char *path, char out[SHA256_HEX_SIZE])
{
    FILE *f = fopen(path, "rb");
    if (!f) return err_set(ERR_IO, "%s: %s", path, strerror(errno));
    SHA2_CTX ctx;
    SHA256Init(&ctx);
    uint8_t chunk[16384];
    size_t n;
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0) SHA256Update(&ctx, chunk, n);
    int failed = ferror(f) ? errno : 0;
    fclose(f);
    if (failed) return err_set(ERR_IO, "%s: %s", path, strerror(failed));
    finish(&ctx, out);
    return ERR_NONE;
}

enum err uuid_make(char out[UUID_SIZE])
{
    uint8_t b[16];
    ssize_t got;
    do got = getrandom(b, sizeof b, 0);
    while (got < 0 && errno == EINTR);
    if (got != sizeof b) return err_set(ERR_INTERNAL, "getrandom: %s", strerror(errno));
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40); /* version 4: random */
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80); /* the variant of RFC 9562 */
    static const uint8_t group_bytes[] = {4, 2, 2, 2, 6};
    const uint8_t *from = b;
    for (size_t g = 0; g < sizeof group_bytes; g++) {
        if (g) *out++ = '-';
        hex(from, group_bytes[g], out);
        from += group_bytes[g];
        out += 2 * group_bytes[g];
    }
    return ERR_NONE;
}
