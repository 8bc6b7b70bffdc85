using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Bursar.Agent.Certificates;

/// <summary>
/// Creates Bursar's own certificates (ECDSA P-256): a root, and leaves for the agents, the operator and its servers. They are valid
/// from an hour before <c>now</c>, so that peers whose clocks are behind accept them.
/// </summary>
public static class BursarCa
{
    public static readonly TimeSpan RootLife = TimeSpan.FromDays(3650);
    public static readonly TimeSpan LeafLife = TimeSpan.FromDays(90);

    private const string ServerAuth = "1.3.6.1.5.5.7.3.1";
    private const string ClientAuth = "1.3.6.1.5.5.7.3.2";
    private static readonly TimeSpan Backdate = TimeSpan.FromHours(1);

    public static PemPair Create(DateTimeOffset now)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        // Each root needs its own name, because old and new roots are trusted together during a renewal.
        var request = new CertificateRequest($"CN=Bursar CA {now.UtcDateTime:yyyyMMddHHmmss}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(
            new X509BasicConstraintsExtension(certificateAuthority: true, hasPathLengthConstraint: true, 0, critical: true)
        );
        request.CertificateExtensions.Add(
            new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, critical: true)
        );
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        using var certificate = request.CreateSelfSigned(now - Backdate, now + RootLife);
        return new PemPair(certificate.ExportCertificatePem(), key.ExportPkcs8PrivateKeyPem());
    }

    /// <summary>Creates the certificate of all agents, for <see cref="BursarNames.AgentWildcard"/>, server authentication only.</summary>
    public static PemPair CreateAgent(PemPair root, DateTimeOffset now) => Issue(root, [BursarNames.AgentWildcard], ServerAuth, now);

    /// <summary>Creates the operator's certificate, for <see cref="BursarNames.Operator"/>, client authentication only.</summary>
    public static PemPair CreateOperator(PemPair root, DateTimeOffset now) => Issue(root, [BursarNames.Operator], ClientAuth, now);

    /// <summary>Creates a certificate for a server with these DNS names or IP addresses, server authentication only.</summary>
    public static PemPair CreateServer(PemPair root, IReadOnlyList<string> hosts, DateTimeOffset now) =>
        Issue(root, hosts, ServerAuth, now);

    internal static PemPair Issue(PemPair root, string dnsName, string usage, DateTimeOffset now) => Issue(root, [dnsName], usage, now);

    private static PemPair Issue(PemPair root, IReadOnlyList<string> hosts, string usage, DateTimeOffset now)
    {
        using var issuer = X509Certificate2.CreateFromPem(root.Certificate, root.PrivateKey);
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={hosts[0]}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, critical: true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(usage)], critical: true));
        var names = new SubjectAlternativeNameBuilder();
        foreach (var host in hosts)
        {
            if (IPAddress.TryParse(host, out var address))
                names.AddIpAddress(address);
            else
                names.AddDnsName(host);
        }
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        request.CertificateExtensions.Add(
            X509AuthorityKeyIdentifierExtension.CreateFromCertificate(issuer, includeKeyIdentifier: true, includeIssuerAndSerial: false)
        );
        // A leaf must not outlive its root.
        var notBefore = Later(now - Backdate, issuer.NotBefore);
        var notAfter = Later(notBefore, Earlier(now + LeafLife, issuer.NotAfter));
        byte[] serial = RandomNumberGenerator.GetBytes(16);
        serial[0] &= 0x7f;
        using var certificate = request.Create(issuer, notBefore, notAfter, serial);
        return new PemPair(certificate.ExportCertificatePem(), key.ExportPkcs8PrivateKeyPem());
    }

    private static DateTimeOffset Earlier(DateTimeOffset one, DateTimeOffset other) => one < other ? one : other;

    private static DateTimeOffset Later(DateTimeOffset one, DateTimeOffset other) => one > other ? one : other;
}
