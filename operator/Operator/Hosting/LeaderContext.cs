using Bursar.Core.Ledger;
using Bursar.Core.State;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Events;
using Bursar.Operator.Billing;
using Bursar.Operator.Budgets;
using Bursar.Operator.Cluster;
using Bursar.Operator.Http;
using Microsoft.Extensions.Logging;

namespace Bursar.Operator.Hosting;

/// <summary>The services that every module of a leading operator uses.</summary>
internal sealed record LeaderContext(
    OperatorOptions Options,
    KubeClient Client,
    ClusterStores Stores,
    LedgerStore Store,
    OperatorMetrics Metrics,
    DecisionStore Decisions,
    EventRecorder Recorder,
    ILoggerFactory Logs
)
{
    public GpuLedger Ledger => Store.Ledger;

    public OperatorState State => Store.State;

    public TimeProvider Time => Client.TimeProvider;

    public ILogger<T> Logger<T>() => Logs.CreateLogger<T>();
}
