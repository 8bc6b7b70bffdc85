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

/// <summary>One replica of the operator: the services that every replica runs, in the order of their start. They stop in the reverse order.</summary>
internal static class OperatorHost
{
    /// <summary>Runs until cancelled, or until the lease is lost: then the process is to end and start anew.</summary>
    /// <param name="leading">Gets the parts of the operator when it leads.</param>
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
                // Which replica asked, for the API server's audit log.
                UserAgent = $"bursar/{typeof(OperatorHost).Assembly.GetName().Version?.ToString(3)} ({options.Identity})",
                Random = new(options.Seed),
                // Between losing the lease and noticing it nothing may be written.
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
        var stores = new ClusterStores(client, options.Namespace, options.Kinds, options.Managers, options.Gpus);
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
        // Ready: the caches are the cluster's, and whoever leads has its ledger.
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
