namespace Bursar.Kubernetes.Client;

/// <summary>
/// A time limit on silence: it starts anew with each sign of life, and running out is a <see cref="TimeoutException"/>, not a cancellation.
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

/// <summary>Limits how long each try of a request waits for its answer to start; reading the body has a limit of its own.</summary>
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
            // A connection that takes too long to open is cancelled by the transport. The caller did not cancel it.
            throw new HttpRequestException("The connection to the API server was not opened in time.", closed);
        }
    }
}
