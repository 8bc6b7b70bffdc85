using System.Runtime.CompilerServices;
using System.Text;
using Bursar.Concurrency;
using Bursar.Kubernetes.Http;
using Bursar.Kubernetes.Objects;

namespace Bursar.Kubernetes.Client;

public sealed partial class KubeClient
{
    /// <summary>
    /// Changes after a resource version, until the server ends the watch (it does after timeoutSeconds) or has been silent for too
    /// long: then the sequence simply ends, and the caller watches on from the last version it saw. A version that the server has
    /// forgotten, in either of its two shapes, is <see cref="WatchExpiredException"/>.
    /// </summary>
    public async IAsyncEnumerable<WatchEvent<T>> WatchAsync<T>(
        WatchOptions options,
        [EnumeratorCancellation] CancellationToken cancellationToken
    )
        where T : class, IKubernetesEntity<T>
    {
        await using WatchStream<T> watch = await OpenWatchAsync<T>(options, cancellationToken).ConfigureAwait(false);
        while (await watch.NextAsync().ConfigureAwait(false) is { } change)
        {
            yield return change;
            watch.Handled();
        }
    }

    /// <summary>Opens a watch; when this returns, the server has accepted it.</summary>
    internal async Task<WatchStream<T>> OpenWatchAsync<T>(WatchOptions options, CancellationToken cancellationToken)
        where T : class, IKubernetesEntity<T>
    {
        int timeout;
        if (options.TimeoutSeconds is { } given)
            timeout = given;
        else
            lock (_options.Random)
                timeout = _options.Random.Next(300, 601);
        StringBuilder query = new((options.Kind ?? T.EntityKind).Path(options.Namespace));
        query.Append("?watch=true&allowWatchBookmarks=true&timeoutSeconds=").Append(timeout);
        void Add(string name, string? value)
        {
            if (!string.IsNullOrEmpty(value))
                query.Append('&').Append(name).Append('=').Append(Uri.EscapeDataString(value));
        }

        Add("labelSelector", options.LabelSelector);
        Add("fieldSelector", options.FieldSelector);
        Add("resourceVersion", options.ResourceVersion);
        if (options.SendInitialEvents)
        {
            Add("sendInitialEvents", "true");
            Add("resourceVersionMatch", "NotOlderThan");
        }

        using ActivityUnit? unit = ActivityTracker?.Join("opening a watch", query);
        Guid? stream = null;
        try
        {
            HttpResponseMessage response = await OpenAsync(
                    new KubeRequest(HttpMethod.Get, query.ToString()) { IsWatch = true },
                    cancellationToken
                )
                .ConfigureAwait(false);
            stream = TimedRequestHandler.StreamOf(response);
            WatchStream<T> watch = await WatchStream<T>
                .StartAsync(response, _options, stream, odd => LogOddObject(T.EntityKind.Kind, odd.Message), cancellationToken)
                .ConfigureAwait(false);
            // The first state is wanted as fast as it comes.
            if (!options.SendInitialEvents)
                watch.Follow();
            return watch;
        }
        catch (Exception failure)
        {
            if (stream is { } closed)
                ActivityTracker?.Closed(closed);
            if (failure is ApiException { IsExpired: true })
                throw new WatchExpiredException(failure.Message);
            throw;
        }
    }
}
