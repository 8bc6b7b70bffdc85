namespace Bursar.Agent.Certificates;

/// <summary>A certificate and its private key as PEM, as stored in a Secret.</summary>
public sealed record PemPair(string Certificate, string PrivateKey)
{
    public override string ToString() => "PemPair (private key withheld)";
}
