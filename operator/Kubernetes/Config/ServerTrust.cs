using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Bursar.Kubernetes.Config;

/// <summary>Checks the server's certificate. Configured certificate authorities, if any, replace those of the system.</summary>
internal sealed class ServerTrust(KubeConfig config, TimeProvider time)
{
    private static readonly TimeSpan FileAge = TimeSpan.FromMinutes(1);
    private static readonly Oid ServerAuthentication = new("1.3.6.1.5.5.7.3.1");
    private readonly Lock _lock = new();
    private X509Certificate2Collection? _authorities;
    private DateTimeOffset _read;

    /// <summary>Returns why the server's certificate is not trusted; null if it is.</summary>
    public string? Refusal(X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors)
    {
        if (config.InsecureSkipTlsVerify)
            return null;
        if (certificate is not X509Certificate2 server || (errors & SslPolicyErrors.RemoteCertificateNotAvailable) != 0)
            return "the server shows no certificate";
        if ((errors & SslPolicyErrors.RemoteCertificateNameMismatch) != 0)
            return $"the server's certificate ({server.Subject}) is not for {config.TlsServerName ?? config.Server.Host}";
        X509Certificate2Collection? authorities = Authorities();
        if (authorities is null)
            return errors == SslPolicyErrors.None ? null : $"the server's certificate is not trusted by this system: {Statuses(chain)}";

        using X509Chain own = new();
        own.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        own.ChainPolicy.CustomTrustStore.AddRange(authorities);
        own.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        own.ChainPolicy.DisableCertificateDownloads = true;
        own.ChainPolicy.ApplicationPolicy.Add(ServerAuthentication);
        if (chain is not null)
            foreach (X509ChainElement element in chain.ChainElements)
                own.ChainPolicy.ExtraStore.Add(element.Certificate);
        return own.Build(server)
            ? null
            : $"the server's certificate does not go back to the certificate authority of {config.Source}: {Statuses(own)}";
    }

    private static string Statuses(X509Chain? chain) =>
        chain is null || chain.ChainStatus.Length == 0
            ? "no reason is given"
            : string.Join(", ", chain.ChainStatus.Select(status => status.StatusInformation.Trim().TrimEnd('.')).Distinct());

    private X509Certificate2Collection? Authorities()
    {
        if (config.CertificateAuthorityPem is null && config.CertificateAuthorityFile is null)
            return null;
        lock (_lock)
        {
            DateTimeOffset now = time.GetUtcNow();
            if (_authorities is not null && (config.CertificateAuthorityPem is not null || now - _read < FileAge))
                return _authorities;
            X509Certificate2Collection read = [];
            if (config.CertificateAuthorityPem is not null)
                read.ImportFromPem(config.CertificateAuthorityPem);
            else
                read.ImportFromPemFile(config.CertificateAuthorityFile!);
            if (read.Count == 0)
                throw new KubeConfigException($"The certificate authority of {config.Source} holds no certificate.");
            _read = now;
            return _authorities = read;
        }
    }
}
