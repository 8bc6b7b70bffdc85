using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Bursar.Agent.Certificates;

/// <summary>
/// Whether a peer's certificate comes from Bursar's own root, for the right use and the right name. The machine's trust
/// store has no say, and a certificate that names no use at all is refused.
/// </summary>
public static class PeerCheck
{
    /// <summary>Null when the peer is who it must be, else a sentence.</summary>
    /// <param name="certificate">The peer's certificate.</param>
    /// <param name="roots">Bursar's roots; several during a renewal.</param>
    /// <param name="purpose">What the peer uses it for.</param>
    /// <param name="dnsName">The name it must be valid for.</param>
    /// <param name="now">The time it must be valid at.</param>
    public static string? Refusal(
        X509Certificate2? certificate,
        X509Certificate2Collection roots,
        PeerPurpose purpose,
        string dnsName,
        DateTimeOffset now
    )
    {
        if (certificate is null)
            return "no certificate was presented";
        string usage = purpose == PeerPurpose.Client ? "1.3.6.1.5.5.7.3.2" : "1.3.6.1.5.5.7.3.1";
        var uses = certificate.Extensions.OfType<X509EnhancedKeyUsageExtension>().SelectMany(e => e.EnhancedKeyUsages.Cast<Oid>());
        if (!uses.Any(o => o.Value == usage))
            return $"the certificate {certificate.Subject} is not meant for {(purpose == PeerPurpose.Client ? "clients" : "servers")}";
        if (!certificate.MatchesHostname(dnsName, allowWildcards: true, allowCommonName: false))
            return $"the certificate {certificate.Subject} is not valid for {dnsName}";

        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(roots);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.DisableCertificateDownloads = true;
        chain.ChainPolicy.VerificationTime = now.UtcDateTime;
        chain.ChainPolicy.ApplicationPolicy.Add(new Oid(usage));
        if (chain.Build(certificate))
            return null;
        string reasons = string.Join(", ", chain.ChainStatus.Select(s => s.Status));
        return $"the certificate {certificate.Subject} does not chain to Bursar's CA: {reasons}";
    }
}

public enum PeerPurpose
{
    Client,
    Server,
}
