namespace Bursar.Operator.Scaling.External;

/// <summary>Tells all who wait that something changed; who comes late looks anyway.</summary>
internal sealed class ExternalChanges
{
    private TaskCompletionSource _next = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Done at the next change.</summary>
    public Task Next => Volatile.Read(ref _next).Task;

    public void Raise() => Interlocked.Exchange(ref _next, new(TaskCreationOptions.RunContinuationsAsynchronously)).SetResult();
}
