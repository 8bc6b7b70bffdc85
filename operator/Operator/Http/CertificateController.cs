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
/// Maintains the certificates while this replica leads: Secret <c>bursar-ca</c> in Bursar's own namespace, Secret <c>bursar-agent-tls</c>
/// in the agents' namespace, and the operator's own certificate, which is kept in memory only. A new root is trusted everywhere before it
/// signs, and an old one until it expires. Every write is a create or conditional on the version that it replaces.
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

    /// <summary>Interval of checks, after which a deleted Secret is recreated.</summary>
    public static readonly TimeSpan PollInterval = TimeSpan.FromMinutes(5);

    public static readonly TimeSpan RetryEvery = TimeSpan.FromSeconds(15);

    /// <summary>Remaining lifetime at which a root gets a successor.</summary>
    public static readonly TimeSpan RenewRootBefore = TimeSpan.FromDays(365);

    /// <summary>How long a new root is trusted before it signs. Longer than a mounted Secret takes to reach every agent.</summary>
    public static readonly TimeSpan RootOverlap = TimeSpan.FromDays(1);

    private const string CertificateKey = "tls.crt";
    private const string PrivateKey = "tls.key";
    private const string RootsKey = "ca.crt";

    /// <summary>Remaining lifetime at which a certificate is renewed.</summary>
    private static readonly TimeSpan RenewLeafBefore = BursarCa.LeafLife / 3;

    private volatile AgentTrust? _trust;
    private string? _lastError;

    /// <summary>Raised when the roots or the operator's certificate changed, so that connections must be renewed.</summary>
    public event Action? Changed;

    /// <summary>Null until the authority has been read or created.</summary>
    public AgentTrust? Trust => _trust;

    public Task RunAsync(CancellationToken cancellationToken) =>
        PeriodicLoop.RunAsync(time, "certificates", async token => await UpdateAsync(token) ? PollInterval : RetryEvery, cancellationToken);

    /// <summary>Creates and renews what is due. Returns false if it must be tried again soon.</summary>
    private async Task<bool> UpdateAsync(CancellationToken cancellationToken)
    {
        try
        {
            var agentSecret = await client.GetOrNullAsync<V1Secret>(AgentSecret, agentNamespace, cancellationToken);
            var authority = await AuthorityAsync(agentSecret, cancellationToken);
            UpdateTrust(authority);
            await AgentsAsync(agentSecret, authority, cancellationToken);
            _lastError = null;
            return true;
        }
        catch (ApiException exception) when (exception.IsConflict || exception.IsInvalid)
        {
            // Another client wrote first. The next pass reads the result.
            LogConflict(exception.Message);
        }
        catch (Exception exception) when (exception is ApiException or HttpRequestException or TimeoutException)
        {
            // Log a repeated error only once.
            var message = exception is ApiException { IsNotFound: true }
                ? $"a namespace does not exist ({ownNamespace} or {agentNamespace}); agents are not read until it does"
                : exception.Message;
            if (_lastError != message && !client.IsUnreachable)
                LogFailed(message);
            _lastError = message;
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

    /// <summary>Renews the operator's certificate and updates the trusted roots.</summary>
    private void UpdateTrust(Authority authority)
    {
        var now = time.GetUtcNow();
        var bundle = authority.Bundle();
        var certificate =
            _trust?.Certificate is { } existing && IsGood(existing, authority.Current, PeerPurpose.Client, BursarNames.Operator, now)
                ? existing
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
        Pem.Certificates(Pem.Text(agentSecret.Data, RootsKey)).Any(existing => existing.Trim() == certificate.Trim());

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
