using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Bursar.Agent.Certificates;

/// <summary>
/// Checks that a peer's certificate was issued by Bursar's root for the required use and name. The machine's trust store is not used,
/// and a certificate without an extended key usage is refused.
/// </summary>
public static class PeerCheck
{
    /// <summary>Returns null if the certificate is accepted, else a sentence with the reason.</summary>
    /// <param name="certificate">Null if the peer presented none.</param>
    /// <param name="roots">Bursar's roots; several during a renewal.</param>
    /// <param name="purpose">The role of the peer.</param>
    /// <param name="dnsName">The name that the certificate must be valid for.</param>
    /// <param name="now">The time at which it must be valid.</param>
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
