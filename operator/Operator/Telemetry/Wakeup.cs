using Bursar.Kube.Http;

namespace Bursar.Operator.Telemetry;

/// <summary>
/// Wakes one loop, however often it is set before the loop looks. A waiting loop is not under way for simulated time;
/// the unit of activity is begun again before the setter ends its own.
/// </summary>
internal sealed class Wakeup(ActivityTracker? tracker)
{
    /// <summary>What the talk with agents is called where activity is counted.</summary>
    public const string What = "talk with agents";

    private readonly Lock _gate = new();
    private TaskCompletionSource? _waiter;
    private bool _set;

    public void Set() => Wake(null, CancellationToken.None);

    /// <summary>For a caller that holds a unit of activity: gives it up while it waits.</summary>
    public async Task WaitAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        TaskCompletionSource waiter;
        lock (_gate)
        {
            if (_set)
            {
                _set = false;
                return;
            }
            _waiter = waiter = new(TaskCreationOptions.RunContinuationsAsynchronously);
        }
        await using var registration = cancellationToken.UnsafeRegister(_ => Wake(waiter, cancellationToken), null);
        tracker?.End(What);
        await waiter.Task;
    }

    private void Wake(TaskCompletionSource? cancelled, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            if (cancelled is not null && _waiter != cancelled)
                return;
            if (_waiter is not { } waiter)
            {
                _set = true;
                return;
            }
            _waiter = null;
            tracker?.Begin(What);
            if (cancelled is null)
                waiter.TrySetResult();
            else
                waiter.TrySetCanceled(cancellationToken);
        }
    }
}
