namespace Bursar.Kubernetes.Client;

/// <summary>
/// A limit on the silence of the server, which <see cref="Restart"/> extends. Running out throws <see cref="TimeoutException"/>, so that
/// callers can tell it from a cancellation.
/// </summary>
internal sealed class Deadline : IDisposable
{
    private readonly TimeSpan _limit;
    private readonly CancellationToken _outer;
    private readonly CancellationTokenSource _silence;
    private readonly CancellationTokenSource _either;

    public Deadline(TimeSpan limit, TimeProvider time, CancellationToken outer)
    {
        _limit = limit;
        _outer = outer;
        _silence = new CancellationTokenSource(limit, time);
        _either = CancellationTokenSource.CreateLinkedTokenSource(outer, _silence.Token);
    }

    public CancellationToken Token => _either.Token;

    public void Restart() => _silence.CancelAfter(_limit);

    public bool RanOut => _silence.IsCancellationRequested && !_outer.IsCancellationRequested;

    public TimeoutException Silence() => new($"The API server was silent for {_limit.TotalSeconds:0} s.");

    public async Task<TResult> GuardAsync<TResult>(Func<CancellationToken, Task<TResult>> act)
    {
        try
        {
            return await act(Token).ConfigureAwait(false);
        }
        catch (Exception silence) when (RanOut && silence is (OperationCanceledException or HttpRequestException or IOException))
        {
            throw Silence();
        }
    }

    public void Dispose()
    {
        _either.Dispose();
        _silence.Dispose();
    }
}

/// <summary>Limits how long each attempt waits for its response to start. Reading the body has a limit of its own.</summary>
internal sealed class DeadlineHandler(TimeSpan limit, TimeProvider time) : DelegatingHandler
{
    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        using Deadline deadline = new(limit, time, cancellationToken);
        try
        {
            return await deadline.GuardAsync(token => base.SendAsync(request, token)).ConfigureAwait(false);
        }
        catch (OperationCanceledException closed) when (!cancellationToken.IsCancellationRequested)
        {
            // The transport cancels a connection that takes too long to open. The caller did not cancel it.
            throw new HttpRequestException("The connection to the API server was not opened in time.", closed);
        }
    }
}
