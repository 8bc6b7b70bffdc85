namespace Bursar.Operator.Scaling.External;

/// <summary>Notifies all waiters of a change. Thread-safe.</summary>
internal sealed class ExternalChanges
{
    private TaskCompletionSource _next = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task Next => Volatile.Read(ref _next).Task;

    public void Raise() => Interlocked.Exchange(ref _next, new(TaskCreationOptions.RunContinuationsAsynchronously)).SetResult();
}
