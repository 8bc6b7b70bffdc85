using Bursar.Hosting;
using Bursar.Kubernetes.Client;
using Bursar.Operator.Admission;
using Bursar.Operator.Cluster;
using Bursar.Operator.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Bursar.Operator.Hosting;

internal sealed class HostedEndpoint(string name, Func<CancellationToken, Task<EdgeServer>> start, ILoggerFactory logs) : IHostedService
{
    private EdgeServer? _server;

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        _server = await start(cancellationToken);
        logs.LogListening(name, _server.Address);
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        if (_server is not null)
            await _server.DisposeAsync();
    }
}

internal static partial class HostedEndpoints
{
    public static void AddEndpoint(
        this IServiceCollection services,
        string name,
        Func<CancellationToken, Task<EdgeServer>> start,
        ILoggerFactory logs
    ) => services.AddSingleton<IHostedService>(new HostedEndpoint(name, start, logs));

    /// <summary>Adds the admission webhook, if it has an address. Every replica answers admission requests.</summary>
    public static void AddWebhook(
        this IServiceCollection services,
        OperatorOptions options,
        KubeClient client,
        AdmissionController admission,
        ILoggerFactory logs
    )
    {
        if (options.WebhookAddress is not { } address)
            return;
        var host = options.WebhookUrl is { } url ? url.Host.Trim('[', ']') : $"{options.WebhookName}-webhook.{options.Namespace}.svc";
        var certificate = new WebhookCertificate(
            client,
            options.Namespace,
            [host],
            client.TimeProvider,
            logs.CreateLogger<WebhookCertificate>()
        );
        services.AddEndpoint(
            "webhook",
            token =>
                AdmissionEndpoint.StartAsync(address, () => certificate.Current, admission.Review, admission.LabelCreator, logs, token),
            logs
        );
        services.AddLoop(certificate.RunAsync);
    }

    public static void LogListening(this ILoggerFactory logs, string endpoint, string address) =>
        LogListening(logs.CreateLogger("bursar"), endpoint, address);

    [LoggerMessage(Level = LogLevel.Information, Message = "Listening: Endpoint={Endpoint} Address={Address}")]
    private static partial void LogListening(ILogger logger, string endpoint, string address);
}
