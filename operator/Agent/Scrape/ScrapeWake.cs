namespace Bursar.Agent.Scrape;

/// <summary>
/// Wakes one loop, by a timer or by news, however often before the loop looks. A loop that waits is not under way for simulated time;
/// its unit of activity is begun again by whoever wakes it.
/// </summary>
internal sealed class ScrapeWake(IAgentActivity? activity)
{
    private readonly Lock gate = new();
    private TaskCompletionSource? waiter;
    private bool set;

    public void Set()
    {
        lock (gate)
        {
            set = waiter is null;
            if (waiter is null) return;
            activity?.Begin();
            waiter.TrySetResult();
            waiter = null;
        }
    }

    /// <summary>For a loop that holds a unit of activity, before and after; cancelled, too.</summary>
    public async Task WaitAsync(CancellationToken cancellationToken)
    {
        Task woken;
        lock (gate)
        {
            if (set || cancellationToken.IsCancellationRequested)
            {
                set = false;
                return;
            }
            waiter = new(TaskCreationOptions.RunContinuationsAsynchronously);
            woken = waiter.Task;
        }
        await using var registration = cancellationToken.UnsafeRegister(_ => Set(), null);
        activity?.End();
        await woken;
    }
}
