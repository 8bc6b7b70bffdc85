using Bursar.Concurrency;
using Bursar.Operator.Http;
using Bursar.Operator.Telemetry;

namespace Bursar.Operator.Hosting;

/// <summary>Usage, progress and checkpoints from agents and dcgm-exporters.</summary>
internal sealed class TelemetryModule : IDisposable
{
    public TelemetryModule(LeaderContext context)
    {
        var options = context.Options;
        var agents = new AgentSelection(options.AgentNamespace, options.AgentName);
        Certificates = new(
            context.Client,
            options.Namespace,
            options.AgentNamespace,
            context.Time,
            context.Logger<CertificateController>()
        );
        Agents = new(
            context.Stores,
            context.Ledger,
            Progress,
            Certificates,
            context.Metrics,
            agents,
            new Random(options.Seed),
            context.Time,
            context.Logger<AgentCollector>(),
            Checkpoints
        );
        Exporters = new(
            options.Exporters,
            context.Stores,
            context.Ledger,
            context.Metrics,
            agents,
            context.Time,
            context.Logger<ExporterReader>()
        );
        Activity = new(uid => context.Stores.Pods.Store.GetByUid(uid)?.Spec.NodeName);
        Agents.Measured += Activity.Record;
        Exporters.Measured += Activity.Record;
        Sources = new(Agents, Exporters, context.Time);
        Series = new(context.Ledger, context.State, Progress);
    }

    public ProgressTracker Progress { get; } = new();

    public CheckpointTracker Checkpoints { get; } = new();

    public CertificateController Certificates { get; }

    public AgentCollector Agents { get; }

    public ExporterReader Exporters { get; }

    public GpuActivity Activity { get; }

    public MeteringSources Sources { get; }

    public SeriesRecorder Series { get; }

    public IEnumerable<Func<CancellationToken, Task>> Loops => [Certificates.RunAsync, Agents.RunAsync, Exporters.RunAsync];

    public void Dispose() => Exporters.Dispose();
}
