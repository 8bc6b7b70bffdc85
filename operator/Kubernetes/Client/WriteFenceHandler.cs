namespace Bursar.Kubernetes.Client;

/// <summary>
/// Sends a write only while this process may lead. It is inside of the retries, because a wait between two attempts may outlast the lease.
/// Leases are exempt, because leadership could never be regained otherwise.
/// </summary>
internal sealed class WriteFenceHandler(Func<bool> mayWrite) : DelegatingHandler
{
    private const string Leases = "/apis/coordination.k8s.io/";

    protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        bool isFenced =
            request.Method != HttpMethod.Get
            && request.Method != HttpMethod.Head
            && !request.RequestUri!.AbsolutePath.Contains(Leases, StringComparison.Ordinal);
        return isFenced && !mayWrite()
            ? throw new LeadershipLostException(
                $"Did not send {request.Method} {request.RequestUri!.PathAndQuery}: this process may not be the leader any more."
            )
            : base.SendAsync(request, cancellationToken);
    }
}
