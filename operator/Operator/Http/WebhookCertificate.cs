using System.Security.Cryptography.X509Certificates;
using Bursar.Agent.Certificates;
using Bursar.Concurrency;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;
using Bursar.Kubernetes.Reconcile;
using Microsoft.Extensions.Logging;

namespace Bursar.Operator.Http;

/// <summary>
/// The webhook's certificate; each replica has its own. It is signed by the authority in Secret <c>bursar-ca</c>, which the leader
/// maintains, and kept in memory only. It is renewed and follows a new root without a restart. API servers trust a new root a day before it
/// signs.
/// </summary>
internal sealed partial class WebhookCertificate(
    KubeClient client,
    string ownNamespace,
    IReadOnlyList<string> hosts,
    TimeProvider time,
    ILogger<WebhookCertificate> logger
)
{
    /// <summary>Interval of checks of the authority.</summary>
    public static readonly TimeSpan PollInterval = TimeSpan.FromMinutes(1);

    /// <summary>Interval until the first certificate and after a failure.</summary>
    public static readonly TimeSpan RetryEvery = TimeSpan.FromSeconds(2);

    private volatile X509Certificate2? _current;
    private string _root = "";
    private string? _lastError;

    public X509Certificate2? Current => _current;

    public Task RunAsync(CancellationToken cancellationToken) =>
        PeriodicLoop.RunAsync(
            time,
            "the webhook's certificate",
            async token => await CheckAsync(token) ? PollInterval : RetryEvery,
            cancellationToken
        );

    private async Task<bool> CheckAsync(CancellationToken cancellationToken)
    {
        try
        {
            if (
                await client.GetOrNullAsync<V1Secret>(CertificateController.AuthoritySecret, ownNamespace, cancellationToken)
                    is not { } secret
                || Authority.Read(secret.Data) is not { } authority
            )
                // The leader is about to create or replace it.
                return false;
            _lastError = null;
            Follow(authority.Current, time.GetUtcNow());
            return true;
        }
        catch (Exception exception) when (exception is ApiException or HttpRequestException or TimeoutException)
        {
            // Log a repeated error only once.
            if (_lastError != exception.Message && !client.IsUnreachable)
                LogFailed(exception.Message);
            _lastError = exception.Message;
            return false;
        }
    }

    private void Follow(PemPair root, DateTimeOffset now)
    {
        if (
            _root == root.Certificate
            && _current is { } existing
            && existing.NotAfter.ToUniversalTime() - now.UtcDateTime >= BursarCa.LeafLife / 3
        )
            return;
        var pair = BursarCa.CreateServer(root, hosts, now);
        // Do not dispose the old certificate, because a handshake may still use it.
        _current = X509Certificate2.CreateFromPem(pair.Certificate, pair.PrivateKey);
        _root = root.Certificate;
        LogServing(hosts[0], _current.NotAfter.ToUniversalTime());
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Issued webhook certificate: Host={Host} NotAfter={NotAfter:u}")]
    private partial void LogServing(string host, DateTime notAfter);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Renewing the webhook certificate failed: {Error}")]
    private partial void LogFailed(string error);
}
