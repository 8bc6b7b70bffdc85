using Bursar.Api;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Config;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Hosting;
using Bursar.Sandbox;
using Bursar.Sandbox.Controllers;
using Bursar.Sandbox.Nodes;
using Bursar.Sandbox.Time;
using Microsoft.Extensions.Logging;

namespace Bursar.Demo;

/// <summary>The runaway job after Bursar suspended it.</summary>
/// <param name="After">Time from its creation to its suspension by the cluster's clock.</param>
internal sealed record DemoCatch(
    V1Job Job,
    GpuBudgetSuspended Suspended,
    GpuBudgetWorkload? Workload,
    GpuBudgetStatus Budget,
    TimeSpan After
);

/// <summary>
/// The demo's embedded cluster with the real operator, simulated nodes and agents. They use HTTP and share one virtual clock, which runs
/// at a multiple of the wall clock.
/// </summary>
internal sealed class DemoCluster : IAsyncDisposable
{
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(200);

    private readonly TimeProvider _wall;
    private readonly Bursar.Sandbox.Sandbox _sandbox;
    private readonly CancellationTokenSource _stopOperator = new();
    private readonly CancellationTokenSource _stopTime = new();
    private readonly KubeClient _inside;
    private BuiltInControllers? _controllers;
    private NodeSimulator? _nodes;
    private Task _pacing = Task.CompletedTask;

    private DemoCluster(
        Bursar.Sandbox.Sandbox sandbox,
        VirtualTimeProvider time,
        TimeProvider wall,
        string kubeconfigPath,
        KubeConfig config,
        ILoggerFactory logs
    )
    {
        _sandbox = sandbox;
        _wall = wall;
        Time = time;
        Start = time.GetUtcNow();
        KubeconfigPath = kubeconfigPath;
        _inside = new(config, new() { TimeProvider = time, LoggerFactory = logs });
        Client = new(config, new() { TimeProvider = wall });
    }

    /// <summary>A client outside the virtual clock, like the user's kubectl.</summary>
    public KubeClient Client { get; }

    /// <summary>The cluster's clock.</summary>
    public TimeProvider Time { get; }

    /// <summary>The time at which <see cref="Time"/> began.</summary>
    public DateTimeOffset Start { get; }

    public Uri Address => _sandbox.Address;

    public string KubeconfigPath { get; }

    /// <summary>Completes only if the operator fails or the cluster is disposed.</summary>
    public Task Operator { get; private set; } = Task.CompletedTask;

    public static async Task<DemoCluster> StartAsync(
        string kubeconfigPath,
        double speed,
        TimeProvider wall,
        ILoggerFactory logs,
        CancellationToken cancellationToken
    )
    {
        var time = new VirtualTimeProvider(DemoWorld.StartOf(wall.GetUtcNow()), wall);
        var sandbox = await Bursar.Sandbox.Sandbox.StartAsync(new SandboxOptions { Time = time, LoggerFactory = logs }, cancellationToken);
        await sandbox.WriteKubeconfigAsync(kubeconfigPath, cancellationToken);
        var config = KubeConfig.FromFile(kubeconfigPath);
        var cluster = new DemoCluster(sandbox, time, wall, kubeconfigPath, config, logs);
        try
        {
            // Start at the speed of the wall clock, because the first requests are slow and would time out at a high speed. If the start
            // fails, time continues until the cluster is disposed.
            var started = CancellationTokenSource.CreateLinkedTokenSource(cluster._stopTime.Token);
            cluster._pacing = Task.Run(() => time.PaceAsync(1, started.Token), CancellationToken.None);
            await cluster.FillAsync(config, logs, cancellationToken);
            await started.CancelAsync();
            await cluster._pacing;
            started.Dispose();
            cluster._pacing = Task.Run(() => time.PaceAsync(speed, cluster._stopTime.Token), CancellationToken.None);
            return cluster;
        }
        catch
        {
            await cluster.DisposeAsync();
            throw;
        }
    }

    /// <summary>Waits until the runaway job is suspended and its budget's status reports it. Null after the deadline.</summary>
    public async Task<DemoCatch?> WaitForCatchAsync(TimeSpan deadline, CancellationToken cancellationToken)
    {
        var until = _wall.GetUtcNow() + deadline;
        while (_wall.GetUtcNow() < until)
        {
            if (Operator.IsCompleted)
                await Operator;
            var job = await Client.GetOrNullAsync<V1Job>(DemoWorld.RunawayJob, DemoWorld.RunawayNamespace, cancellationToken);
            if (job is { Spec.Suspend: true })
            {
                var budget = await Client.GetAsync<V1Alpha1GpuBudget>(
                    DemoWorld.RunawayBudget,
                    DemoWorld.RunawayNamespace,
                    cancellationToken
                );
                if (
                    budget.Status is { } status
                    && status.Suspended?.FirstOrDefault(s => s.Name == DemoWorld.RunawayJob) is { } suspended
                    && Core.Text.Rfc3339.TryParse(suspended.Since, out var since)
                )
                    return new(
                        job,
                        suspended,
                        status.Workloads?.FirstOrDefault(w => w.Name == DemoWorld.RunawayJob),
                        status,
                        since - (job.Metadata.CreationTimestamp ?? Start)
                    );
            }
            await Task.Delay(PollInterval, _wall, cancellationToken);
        }
        return null;
    }

    public async ValueTask DisposeAsync()
    {
        // Stop time last, because the other parts may wait for timers while they end.
        await _stopOperator.CancelAsync();
        await Operator.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (_nodes is not null)
            await _nodes.DisposeAsync();
        if (_controllers is not null)
            await _controllers.DisposeAsync();
        await _stopTime.CancelAsync();
        await _pacing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _inside.Dispose();
        Client.Dispose();
        await _sandbox.DisposeAsync();
        // The user may have replaced the file.
        if (File.Exists(KubeconfigPath) && await File.ReadAllTextAsync(KubeconfigPath) == _sandbox.Kubeconfig)
            File.Delete(KubeconfigPath);
        _stopOperator.Dispose();
        _stopTime.Dispose();
    }

    private async Task FillAsync(KubeConfig config, ILoggerFactory logs, CancellationToken cancellationToken)
    {
        await DemoWorld.CreateKindsAsync(_inside, cancellationToken);
        _controllers = await BuiltInControllers.StartAsync(_inside, seed: 1, cancellationToken);
        _nodes = await NodeSimulator.StartAsync(_inside, new() { Fleet = DemoWorld.Fleet, Agents = new() }, cancellationToken);

        var leader = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var options = new OperatorOptions { Identity = "bursar-demo", MetricsAddress = "127.0.0.1:0" };
        Operator = Task.Run(() => OperateAsync(options, config, logs, () => leader.TrySetResult()), CancellationToken.None);
        if (await Task.WhenAny(leader.Task, Operator).WaitAsync(cancellationToken) == Operator)
            await Operator;

        await DemoWorld.CreateBudgetsAsync(_inside, cancellationToken);
        await DemoWorld.CreateWorkloadsAsync(_inside, cancellationToken);
    }

    /// <summary>
    /// Runs the operator and restarts it like a Deployment. It exits if another process, such as <c>bursar release</c>, wrote its ledger.
    /// </summary>
    private async Task OperateAsync(OperatorOptions options, KubeConfig config, ILoggerFactory logs, Action leading)
    {
        while (true)
        {
            try
            {
                await OperatorHost.RunAsync(options, config, Time, logs, _ => leading(), _stopOperator.Token);
                return;
            }
            catch (LeadershipLostException)
            {
                _stopOperator.Token.ThrowIfCancellationRequested();
            }
        }
    }
}
