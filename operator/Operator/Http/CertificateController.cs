using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;
using Bursar.Agent.Certificates;
using Bursar.Concurrency;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;
using Bursar.Kubernetes.Reconcile;
using Microsoft.Extensions.Logging;

namespace Bursar.Operator.Http;

/// <summary>
/// The leader's care for certificates: Secret <c>bursar-ca</c> in Bursar's own namespace, Secret <c>bursar-agent-tls</c> in
/// the agents', and the operator's own certificate, which never leaves its memory. A new root is trusted everywhere before
/// it signs anything, and an old one until it expires. Every write is a create or is conditional on the version it replaces.
/// </summary>
internal sealed partial class CertificateController(
    KubeClient client,
    string ownNamespace,
    string agentNamespace,
    TimeProvider time,
    ILogger<CertificateController> logger
)
{
    public const string AuthoritySecret = "bursar-ca";
    public const string AgentSecret = "bursar-agent-tls";

    /// <summary>How often the Secrets are looked at: one that somebody deleted is back after this long.</summary>
    public static readonly TimeSpan PollInterval = TimeSpan.FromMinutes(5);

    /// <summary>After a failure, or a conflict with another writer.</summary>
    public static readonly TimeSpan RetryEvery = TimeSpan.FromSeconds(15);

    /// <summary>A root is succeeded when this much of its life is left.</summary>
    public static readonly TimeSpan RenewRootBefore = TimeSpan.FromDays(365);

    /// <summary>A new root is trusted this long before it signs: longer than a mounted Secret takes to reach every agent.</summary>
    public static readonly TimeSpan RootOverlap = TimeSpan.FromDays(1);

    private const string CertificateKey = "tls.crt";
    private const string PrivateKey = "tls.key";
    private const string RootsKey = "ca.crt";

    /// <summary>A certificate is renewed when a third of its life is left.</summary>
    private static readonly TimeSpan RenewLeafBefore = BursarCa.LeafLife / 3;

    private volatile AgentTrust? _trust;
    private string? _complaint;

    /// <summary>The roots or the operator's certificate changed; connections made with the old ones are to be made anew.</summary>
    public event Action? Changed;

    /// <summary>Null until the authority has been read or made.</summary>
    public AgentTrust? Trust => _trust;

    /// <summary>Runs until cancelled, for as long as this operator leads.</summary>
    public Task RunAsync(CancellationToken cancellationToken) =>
        PeriodicLoop.RunAsync(time, "certificates", async token => await KeepAsync(token) ? PollInterval : RetryEvery, cancellationToken);

    /// <summary>One look: makes and renews what is due. False when it has to be tried again soon.</summary>
    private async Task<bool> KeepAsync(CancellationToken cancellationToken)
    {
        try
        {
            var agentSecret = await client.GetOrNullAsync<V1Secret>(AgentSecret, agentNamespace, cancellationToken);
            var authority = await AuthorityAsync(agentSecret, cancellationToken);
            Trusting(authority);
            await AgentsAsync(agentSecret, authority, cancellationToken);
            _complaint = null;
            return true;
        }
        catch (ApiException exception) when (exception.IsConflict || exception.IsInvalid)
        {
            // Another writer was faster: what it wrote is read at the next look.
            LogConflict(exception.Message);
        }
        catch (Exception exception) when (exception is ApiException or HttpRequestException or TimeoutException)
        {
            // The same trouble at every look is told once.
            var complaint = exception is ApiException { IsNotFound: true }
                ? $"a namespace does not exist ({ownNamespace} or {agentNamespace}); agents are not read until it does"
                : exception.Message;
            if (_complaint != complaint && !client.IsUnreachable)
                LogFailed(complaint);
            _complaint = complaint;
        }
        return false;
    }

    private async Task<Authority> AuthorityAsync(V1Secret? agentSecret, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var secret = await client.GetOrNullAsync<V1Secret>(AuthoritySecret, ownNamespace, cancellationToken);
        if (secret is null)
        {
            var made = Authority.Create(now);
            await client.CreateAsync(
                new V1Secret
                {
                    Metadata = new() { Name = AuthoritySecret, Namespace = ownNamespace },
                    Type = "Opaque",
                    Data = made.Write(),
                },
                cancellationToken
            );
            LogMade(AuthoritySecret, ownNamespace);
            return made;
        }
        var read = Authority.Read(secret.Data);
        if (read is null)
            LogUnreadable(AuthoritySecret, ownNamespace);
        var authority = read?.Advance(now, read.Next is { } next && (agentSecret is null || Holds(agentSecret, next.Certificate)))
            ?? Authority.Create(now);
        if (ReferenceEquals(authority, read))
            return authority;
        await ReplaceAsync(secret, authority.Write(), cancellationToken);
        LogRenewed(AuthoritySecret, ownNamespace);
        return authority;
    }

    private async Task AgentsAsync(V1Secret? secret, Authority authority, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var pair = secret is null ? null : new PemPair(Pem.Text(secret.Data, CertificateKey), Pem.Text(secret.Data, PrivateKey));
        var good = pair is not null && IsGood(pair, authority.Current, PeerPurpose.Server, BursarNames.Agent("any"), now);
        var bundle = authority.Bundle();
        if (good && Pem.Text(secret!.Data, RootsKey) == bundle)
            return;

        if (!good)
            pair = BursarCa.CreateAgent(authority.Current, now);
        var data = new Dictionary<string, byte[]>(StringComparer.Ordinal)
        {
            [CertificateKey] = Pem.Bytes(pair!.Certificate),
            [PrivateKey] = Pem.Bytes(pair.PrivateKey),
            [RootsKey] = Pem.Bytes(bundle),
        };
        if (secret is null)
        {
            await client.CreateAsync(
                new V1Secret
                {
                    Metadata = new() { Name = AgentSecret, Namespace = agentNamespace },
                    Type = "kubernetes.io/tls",
                    Data = data,
                },
                cancellationToken
            );
            LogMade(AgentSecret, agentNamespace);
            return;
        }
        await ReplaceAsync(secret, data, cancellationToken);
        LogRenewed(AgentSecret, agentNamespace);
    }

    /// <summary>The operator's side: its certificate is renewed here, and the roots follow the authority.</summary>
    private void Trusting(Authority authority)
    {
        var now = time.GetUtcNow();
        var bundle = authority.Bundle();
        var certificate =
            _trust?.Certificate is { } held && IsGood(held, authority.Current, PeerPurpose.Client, BursarNames.Operator, now)
                ? held
                : BursarCa.CreateOperator(authority.Current, now);
        if (_trust is { } before && before.RootsPem == bundle && before.Certificate == certificate)
            return;
        _trust = new(bundle, certificate);
        Changed?.Invoke();
    }

    private static bool IsGood(PemPair pair, PemPair root, PeerPurpose purpose, string name, DateTimeOffset now)
    {
        using var certificate = Pem.Read(pair);
        using var signer = X509Certificate2.CreateFromPem(root.Certificate);
        return certificate is not null
            && certificate.NotAfter.ToUniversalTime() - now.UtcDateTime >= RenewLeafBefore
            && PeerCheck.Refusal(certificate, [signer], purpose, name, now) is null;
    }

    private static bool Holds(V1Secret agentSecret, string certificate) =>
        Pem.Certificates(Pem.Text(agentSecret.Data, RootsKey)).Any(held => held.Trim() == certificate.Trim());

    private Task<V1Secret> ReplaceAsync(V1Secret secret, Dictionary<string, byte[]> data, CancellationToken cancellationToken)
    {
        var values = new JsonObject();
        foreach (var (key, value) in data)
            values[key] = Convert.ToBase64String(value);
        return client.PatchAsync<V1Secret>(
            secret.Metadata.Name,
            secret.Metadata.Namespace,
            KubePatch.Json(
                PatchOperation.Test("/metadata/resourceVersion", secret.Metadata.ResourceVersion),
                PatchOperation.Add("/data", values)
            ),
            cancellationToken
        );
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Created Secret: Name={Name} Namespace={Namespace}")]
    private partial void LogMade(string name, string @namespace);

    [LoggerMessage(Level = LogLevel.Information, Message = "Renewed Secret: Name={Name} Namespace={Namespace}")]
    private partial void LogRenewed(string name, string @namespace);

    [LoggerMessage(
        Level = LogLevel.Error,
        Message = "Secret has no usable certificate and key, creating new ones: Name={Name} Namespace={Namespace}"
    )]
    private partial void LogUnreadable(string name, string @namespace);

    [LoggerMessage(Level = LogLevel.Information, Message = "Certificates were written by another replica, retrying: {Error}")]
    private partial void LogConflict(string error);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Writing certificates failed: {Error}")]
    private partial void LogFailed(string error);
}
