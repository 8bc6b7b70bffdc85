using Bursar.Hosting;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Config;
using Bursar.Kubernetes.Leases;
using Bursar.Operator.Admission;
using Bursar.Operator.Budgets;
using Bursar.Operator.Cluster;
using Bursar.Operator.Http;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Bursar.Operator.Hosting;

/// <summary>
/// One replica of the operator. Its services start in the order in which they are added here and stop in the reverse order.
/// </summary>
internal static class OperatorHost
{
    /// <summary>Runs until cancelled, or until the lease is lost. After that the process must exit and start again.</summary>
    /// <param name="leading">Called with the parts of the operator when it becomes the leader.</param>
    public static async Task RunAsync(
        OperatorOptions options,
        KubeConfig config,
        TimeProvider time,
        ILoggerFactory logs,
        Action<OperatorParts>? leading,
        CancellationToken cancellationToken
    )
    {
        LeaderElector? elector = null;
        using var client = new KubeClient(
            config,
            new()
            {
                TimeProvider = time,
                LoggerFactory = logs,
                // The API server's audit log shows which replica sent a request.
                UserAgent = $"bursar/{typeof(OperatorHost).Assembly.GetName().Version?.ToString(3)} ({options.Identity})",
                Random = new(options.Seed),
                // A former leader must not write before it notices that it lost the lease.
                WriteFence = options.LeaderElect ? () => elector?.MayWrite == true : null,
            }
        );
        if (options.LeaderElect)
            elector = new(
                client,
                new()
                {
                    Namespace = options.Namespace,
                    Name = "bursar",
                    Identity = options.Identity,
                    Random = new(options.Seed),
                }
            );
        var stores = new ClusterStores(client, options.Namespace, options.Kinds, options.Managers, options.Gpus, options.AgentNamespace);
        using var metrics = new OperatorMetrics(time, config.Server);
        var decisions = new DecisionStore();
        var admission = new AdmissionController(
            stores,
            () => stores.HasSynced,
            decisions,
            options.Namespace,
            time,
            logs.CreateLogger<AdmissionController>()
        );
        var leader = new Leader(options, client, stores, metrics, decisions, admission, elector, logs, leading);

        var builder = Host.CreateEmptyApplicationBuilder(new() { DisableDefaults = true });
        var services = builder.Services.AddCallersLifetime();
        // A replica is ready when its caches have synced and, if it leads, its ledger is loaded.
        services.AddEndpoint(
            "metrics",
            token =>
                OperatorListener.StartAsync(
                    options.MetricsAddress,
                    metrics,
                    () => stores.HasSynced && (metrics.Leads || elector is { MayWrite: false }),
                    logs,
                    token
                ),
            logs
        );
        services.AddWebhook(options, client, admission, logs);
        services.AddLoop(stores.RunAsync);
        services.AddLoop(leader.RunAsync);
        await builder.Build().RunToEndAsync(cancellationToken);
    }
}
