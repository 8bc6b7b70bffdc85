using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Bursar.Sandbox.ApiServer;

/// <summary>The server's own certificate authority and its certificate for loopback. Keys are in memory only.</summary>
internal sealed class ServerCertificate : IDisposable
{
    private static readonly TimeSpan Life = TimeSpan.FromDays(365);

    private ServerCertificate(string authorityPem, X509Certificate2 certificate)
    {
        AuthorityPem = authorityPem;
        Certificate = certificate;
    }

    public string AuthorityPem { get; }

    public X509Certificate2 Certificate { get; }

    public static ServerCertificate Create()
    {
        // Clients validate certificates by the machine's clock, not by the cluster's.
        var now = TimeProvider.System.GetUtcNow();
        var from = now.AddDays(-1);
        var to = now + Life;
        using var authorityKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var authorityRequest = new CertificateRequest("CN=bursar-sandbox-ca", authorityKey, HashAlgorithmName.SHA256);
        authorityRequest.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        authorityRequest.CertificateExtensions.Add(
            new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, true)
        );
        authorityRequest.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(authorityRequest.PublicKey, false));
        using var authority = authorityRequest.CreateSelfSigned(from, to);

        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=bursar-sandbox", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        names.AddDnsName("localhost");
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.1")], false));
        request.CertificateExtensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromCertificate(authority, true, false));
        using var issued = request.Create(authority, from, to, RandomNumberGenerator.GetBytes(16));
        using var withKey = issued.CopyWithPrivateKey(key);
        return new ServerCertificate(
            authority.ExportCertificatePem(),
            X509CertificateLoader.LoadPkcs12(withKey.Export(X509ContentType.Pkcs12), null)
        );
    }

    public void Dispose() => Certificate.Dispose();
}
