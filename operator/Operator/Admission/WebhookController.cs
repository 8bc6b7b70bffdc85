using Bursar.Concurrency;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;
using Bursar.Kubernetes.Reconcile;
using Bursar.Operator.Http;
using Microsoft.Extensions.Logging;

namespace Bursar.Operator.Admission;

/// <summary>
/// Maintains the chart's MutatingWebhookConfiguration while this replica leads. It sets the certificate authorities and, for an operator
/// outside the cluster, the URL. Changes by other clients are reverted. A missing configuration is not created.
/// </summary>
internal sealed partial class WebhookController(
    KubeClient client,
    string name,
    Func<string?> roots,
    Uri? url,
    TimeProvider time,
    ILogger<WebhookController> logger
)
{
    public static readonly TimeSpan PollInterval = TimeSpan.FromSeconds(30);

    /// <summary>Interval after a failure or a conflict, and until there are certificate authorities.</summary>
    public static readonly TimeSpan RetryEvery = TimeSpan.FromSeconds(2);

    private string? _lastError;

    /// <summary>The URL of the webhooks that label the creator: beside the other one. Null: they are reached through the Service.</summary>
    private string? CreatorUrl => url is null ? null : new Uri(url, AdmissionEndpoint.CreatorPath[1..]).ToString();

    public Task RunAsync(CancellationToken cancellationToken) =>
        PeriodicLoop.RunAsync(
            time,
            "the webhook's configuration",
            async token => await UpdateAsync(token) ? PollInterval : RetryEvery,
            cancellationToken
        );

    /// <summary>Updates the configuration if needed. Returns false if it must be tried again soon.</summary>
    private async Task<bool> UpdateAsync(CancellationToken cancellationToken)
    {
        if (roots() is not { } bundle)
            return false;
        try
        {
            if (
                await client.GetOrNullAsync<V1MutatingWebhookConfiguration>(name, null, cancellationToken) is { } found
                && Changes(found, bundle) is { Count: > 0 } changes
            )
            {
                await client.PatchAsync<V1MutatingWebhookConfiguration>(
                    name,
                    null,
                    KubePatch.Json([PatchOperation.Test("/metadata/resourceVersion", found.Metadata.ResourceVersion), .. changes]),
                    cancellationToken
                );
                LogConfigured(name);
            }
            _lastError = null;
            return true;
        }
        catch (ApiException exception) when (exception.IsConflict || exception.IsInvalid)
        {
            // Another client wrote first. The next pass reads the result.
            return false;
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

    private List<PatchOperation> Changes(V1MutatingWebhookConfiguration configuration, string bundle)
    {
        var pem = System.Text.Encoding.UTF8.GetBytes(bundle);
        var operations = new List<PatchOperation>();
        for (var i = 0; i < configuration.Webhooks.Count; i++)
        {
            var path = $"/webhooks/{i}/clientConfig";
            var now = configuration.Webhooks[i].ClientConfig;
            if (now.CaBundle is null || !now.CaBundle.AsSpan().SequenceEqual(pem))
                operations.Add(PatchOperation.Add(path + "/caBundle", Convert.ToBase64String(pem)));
            var address = configuration.Webhooks[i].Name.StartsWith("creator.", StringComparison.Ordinal) ? CreatorUrl : url?.ToString();
            if (address is null || now.Url == address)
                continue;
            if (now.Service is not null)
                operations.Add(PatchOperation.Remove(path + "/service"));
            operations.Add(PatchOperation.Add(path + "/url", address));
        }
        return operations;
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Configured the webhook's certificate authority: Name={Name}")]
    private partial void LogConfigured(string name);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Writing the webhook configuration failed: {Error}")]
    private partial void LogFailed(string error);
}
