using Bursar.Api;
using Bursar.Kubernetes.Informers;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Suspension;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Bursar.Demo;

/// <summary>
/// Shows the demo. A terminal gets bars for the budgets, their workloads and the latest lines, redrawn in place; other outputs get plain
/// lines. It watches the API like any client.
/// </summary>
internal sealed class DemoScreen
{
    private const int KeptLines = 20;
    private static readonly TimeSpan RedrawEvery = TimeSpan.FromMilliseconds(400);
    private static readonly TimeSpan PlainEvery = TimeSpan.FromSeconds(10);

    private readonly Lock _gate = new();
    private readonly Queue<string> _lines = new();
    private readonly IAnsiConsole? _console;
    private readonly TextWriter _output;
    private readonly TimeProvider _wall;
    private readonly DemoCluster _cluster;
    private readonly Informer<V1Alpha1GpuBudget> _budgets;
    private readonly Informer<V1Event> _events;
    private readonly IReadOnlyList<string> _hints;
    private readonly TaskCompletionSource _suspension = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <param name="console">Null writes plain lines to <paramref name="output"/>.</param>
    public DemoScreen(DemoCluster cluster, IAnsiConsole? console, TextWriter output, TimeProvider wall, IReadOnlyList<string> hints)
    {
        _cluster = cluster;
        _console = console;
        _output = output;
        _wall = wall;
        _hints = hints;
        _budgets = new(cluster.Client);
        _events = new(cluster.Client);
        _events.AddHandler(new() { Added = ShowEvent });
    }

    /// <summary>Completes when the Event of the runaway job's suspension was shown.</summary>
    public Task SuspensionShown => _suspension.Task;

    /// <summary>Adds a line with the cluster's time. Safe for concurrent use.</summary>
    public void WriteLine(string text)
    {
        var line = $"+{_cluster.Time.GetUtcNow() - _cluster.Start:hh\\:mm\\:ss}  {text}";
        lock (_gate)
        {
            if (_console is null)
                _output.WriteLine(line);
            _lines.Enqueue(line);
            while (_lines.Count > KeptLines)
                _lines.Dequeue();
        }
    }

    /// <summary>Shows until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        // Above the redrawn area, so that the lines stay visible.
        lock (_gate)
            foreach (var hint in _hints)
                _output.WriteLine(hint);
        var reading = Task.WhenAll(_budgets.RunAsync(cancellationToken), _events.RunAsync(cancellationToken));
        if (_console is null)
            await RunPlainAsync(cancellationToken);
        else
            await _console.Live(Draw()).Overflow(VerticalOverflow.Ellipsis).StartAsync(context => RunLiveAsync(context, cancellationToken));
        await reading.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private async Task RunLiveAsync(LiveDisplayContext context, CancellationToken cancellationToken)
    {
        do context.UpdateTarget(Draw());
        while (await PausedAsync(RedrawEvery, cancellationToken));
        context.UpdateTarget(Draw());
    }

    private async Task RunPlainAsync(CancellationToken cancellationToken)
    {
        while (await PausedAsync(PlainEvery, cancellationToken))
            foreach (var budget in Budgets())
                if (budget.Status is { Limit: not null } status)
                    WriteLine(
                        $"{budget.Metadata.Namespace}/{budget.Metadata.Name}  {status.State}: spent {Short(status.Spent)}, projected {Short(status.Projected)} of {Short(status.Limit)} {status.Currency}, {Short(status.BurnRatePerHour)} per hour"
                    );
    }

    /// <summary>Waits. Returns false once cancelled.</summary>
    private async Task<bool> PausedAsync(TimeSpan pause, CancellationToken cancellationToken)
    {
        await Task.Delay(pause, _wall, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return !cancellationToken.IsCancellationRequested;
    }

    /// <summary>Shows an Event of a budget. Those of workloads are skipped, because they repeat the budget's.</summary>
    private void ShowEvent(V1Event happened)
    {
        if (happened.Regarding?.Kind != V1Alpha1GpuBudget.KindName)
            return;
        WriteLine($"{happened.Regarding.Namespace}/{happened.Regarding.Name}  {happened.Reason}: {happened.Note}");
        if (happened.Reason == BudgetEvents.Suspended && happened.Related?.Name == DemoWorld.RunawayJob)
            _suspension.TrySetResult();
    }

    private IEnumerable<V1Alpha1GpuBudget> Budgets() =>
        _budgets
            .Store.List()
            .OrderBy(b => b.Metadata.Namespace, StringComparer.Ordinal)
            .ThenBy(b => b.Metadata.Name, StringComparer.Ordinal);

    private IRenderable Draw()
    {
        string[] lines;
        lock (_gate)
            lines = [.. _lines];
        return DemoPicture.Draw(_console!.Profile.Width, _console.Profile.Height, _cluster.Time.GetUtcNow(), [.. Budgets()], lines);
    }

    private static string Short(string? amount) => DemoPicture.Short(amount);
}
