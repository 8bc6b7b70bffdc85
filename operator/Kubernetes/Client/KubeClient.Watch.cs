using System.Runtime.CompilerServices;
using System.Text;
using Bursar.Concurrency;
using Bursar.Kubernetes.Http;
using Bursar.Kubernetes.Objects;

namespace Bursar.Kubernetes.Client;

public sealed partial class KubeClient
{
    /// <summary>
    /// Yields the changes after a resource version. The sequence ends when the server ends the watch (after timeoutSeconds) or is silent
    /// for too long. The caller then watches again from the last version that it got.
    /// </summary>
    /// <exception cref="WatchExpiredException">
    /// The server no longer has the version. It reports this as a status of 410 or as an event.
    /// </exception>
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

    /// <summary>Opens a watch. Returns once the server has accepted it.</summary>
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
                .StartAsync(response, _options, stream, error => LogOddObject(T.EntityKind.Kind, error.Message), cancellationToken)
                .ConfigureAwait(false);
            // The initial state must not be delayed, so a streaming list calls Follow only at its end.
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
