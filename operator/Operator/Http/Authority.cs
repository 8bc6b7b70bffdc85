using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Bursar.Agent.Certificates;

namespace Bursar.Operator.Http;

/// <summary>
/// Bursar's own certificate authority as stored in Secret <c>bursar-ca</c>: the signing root, the next root, which is already trusted, and
/// previous roots, which are trusted until they expire.
/// </summary>
internal sealed record Authority(PemPair Current, PemPair? Next, IReadOnlyList<string> Previous)
{
    private const string CertificateKey = "tls.crt";
    private const string PrivateKey = "tls.key";
    private const string NextCertificateKey = "next.crt";
    private const string NextPrivateKey = "next.key";
    private const string PreviousKey = "previous.crt";

    public static Authority Create(DateTimeOffset now) => new(BursarCa.Create(now), null, []);

    /// <summary>Returns null if the Secret has no root that can sign.</summary>
    public static Authority? Read(IReadOnlyDictionary<string, byte[]> data)
    {
        if (Pair(data, CertificateKey, PrivateKey) is not { } current)
            return null;
        return new(current, Pair(data, NextCertificateKey, NextPrivateKey), [.. Pem.Certificates(Pem.Text(data, PreviousKey))]);
    }

    public Dictionary<string, byte[]> Write()
    {
        var data = new Dictionary<string, byte[]>(StringComparer.Ordinal)
        {
            [CertificateKey] = Pem.Bytes(Current.Certificate),
            [PrivateKey] = Pem.Bytes(Current.PrivateKey),
        };
        if (Next is { } next)
        {
            data[NextCertificateKey] = Pem.Bytes(next.Certificate);
            data[NextPrivateKey] = Pem.Bytes(next.PrivateKey);
        }
        if (Previous.Count > 0)
            data[PreviousKey] = Pem.Bytes(Pem.Join(Previous));
        return data;
    }

    /// <summary>Returns all trusted roots, the signing one first.</summary>
    public string Bundle() =>
        Pem.Join(Next is { } next ? [Current.Certificate, next.Certificate, .. Previous] : [Current.Certificate, .. Previous]);

    /// <summary>
    /// Returns the state that is due now; itself if nothing is due. <paramref name="spread"/> is whether the agents' Secret has the next
    /// root, which must not sign before that.
    /// </summary>
    public Authority Advance(DateTimeOffset now, bool spread)
    {
        var previous = Previous.Where(p => Pem.NotAfter(p) > now).ToArray();
        var kept = previous.Length == Previous.Count ? this : this with { Previous = previous };
        var ends = Pem.NotAfter(Current.Certificate);
        if (Next is { } next)
        {
            var due = spread && now - Pem.NotBefore(next.Certificate) >= CertificateController.RootOverlap || ends <= now;
            if (!due)
                return kept;
            return new(next, null, ends > now ? [Current.Certificate, .. previous] : previous);
        }
        if (ends <= now)
            return new(BursarCa.Create(now), null, previous);
        return ends - now < CertificateController.RenewRootBefore ? kept with { Next = BursarCa.Create(now) } : kept;
    }

    private static PemPair? Pair(IReadOnlyDictionary<string, byte[]> data, string certificate, string key)
    {
        var pair = new PemPair(Pem.Text(data, certificate), Pem.Text(data, key));
        return Pem.Read(pair) is { } read && Disposed(read) ? pair : null;
    }

    private static bool Disposed(X509Certificate2 certificate)
    {
        certificate.Dispose();
        return true;
    }
}

internal static class Pem
{
    public static string Text(IReadOnlyDictionary<string, byte[]> data, string key) =>
        data.TryGetValue(key, out var bytes) ? Encoding.UTF8.GetString(bytes) : "";

    public static byte[] Bytes(string pem) => Encoding.UTF8.GetBytes(pem);

    public static string Join(IEnumerable<string> certificates) => string.Concat(certificates.Select(c => c.TrimEnd() + "\n"));

    /// <summary>Returns the certificate with its key; null if either is unreadable or they do not match.</summary>
    public static X509Certificate2? Read(PemPair pair)
    {
        try
        {
            return X509Certificate2.CreateFromPem(pair.Certificate, pair.PrivateKey);
        }
        catch (Exception exception) when (exception is CryptographicException or ArgumentException)
        {
            // The caller replaces it and logs that.
            return null;
        }
    }

    /// <summary>Returns the certificates of a bundle, each as PEM; empty if the bundle is unreadable.</summary>
    public static IEnumerable<string> Certificates(string bundle)
    {
        var certificates = new X509Certificate2Collection();
        try
        {
            certificates.ImportFromPem(bundle);
        }
        catch (CryptographicException)
        {
            return [];
        }
        var texts = certificates.Select(c => c.ExportCertificatePem()).ToArray();
        foreach (var certificate in certificates)
            certificate.Dispose();
        return texts;
    }

    public static DateTimeOffset NotAfter(string certificate)
    {
        using var read = X509Certificate2.CreateFromPem(certificate);
        return read.NotAfter.ToUniversalTime();
    }

    public static DateTimeOffset NotBefore(string certificate)
    {
        using var read = X509Certificate2.CreateFromPem(certificate);
        return read.NotBefore.ToUniversalTime();
    }
}
