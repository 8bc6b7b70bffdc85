namespace Bursar.Agent.Scrape;

/// <summary>
/// Wakes one loop, by a timer or by news, however often before the loop looks. A loop that waits is not under way for simulated time;
/// its unit of activity is begun again by whoever wakes it.
/// </summary>
internal sealed class ScrapeWake(IAgentActivity? activity)
{
    private readonly Lock _gate = new();
    private TaskCompletionSource? _waiter;
    private bool _set;

    public void Set()
    {
        lock (_gate)
        {
            _set = _waiter is null;
            if (_waiter is null)
                return;
            activity?.Begin();
            _waiter.TrySetResult();
            _waiter = null;
        }
    }

    /// <summary>For a loop that holds a unit of activity, before and after; cancelled, too.</summary>
    public async Task WaitAsync(CancellationToken cancellationToken)
    {
        Task woken;
        lock (_gate)
        {
            if (_set || cancellationToken.IsCancellationRequested)
            {
                _set = false;
                return;
            }
            _waiter = new(TaskCreationOptions.RunContinuationsAsynchronously);
            woken = _waiter.Task;
        }
        await using var registration = cancellationToken.UnsafeRegister(_ => Set(), null);
        activity?.End();
        await woken;
    }
}
