using System.Text;
using Bursar.Concurrency;
using Bursar.Kubernetes.Http;
using Bursar.Kubernetes.Objects;

namespace Bursar.Kubernetes.Client;

public sealed partial class KubeClient
{
    /// <summary>
    /// Lists objects page by page; while one is decoded, the server makes the next. When the server forgets the list between two pages
    /// (410), the list starts again, from the second time on in one page, so that it ends.
    /// </summary>
    public async Task<KubeList<T>> ListAsync<T>(ListOptions options, CancellationToken cancellationToken)
        where T : class, IKubernetesEntity<T>
    {
        using ActivityUnit? unit = ActivityTracker?.Join("list of", T.EntityKind.Plural);
        for (int expired = 0; ; expired++)
        {
            List<T> items = [];
            string? next = null;
            int limit = expired < 2 ? options.Limit : 0;
            OpenPage? ahead = null;
            try
            {
                ListPage page;
                do
                {
                    OpenPage current = ahead ?? AskPage<T>(options, limit, next, unit, cancellationToken);
                    ahead = null;
                    for (int failed = 0; ; failed++)
                    {
                        int before = items.Count;
                        try
                        {
                            page = await ReadPageAsync(current, items, token =>
                                    ahead ??= AskPage<T>(options, limit, token, unit, cancellationToken)
                                )
                                .ConfigureAwait(false);
                            break;
                        }
                        catch (IOException) when (failed < _options.MaxReadRetries && !cancellationToken.IsCancellationRequested)
                        {
                            // Cut off in the middle: the page is asked for anew, and the one after it too.
                            items.RemoveRange(before, items.Count - before);
                            if (ahead is not null)
                                await ahead.DisposeAsync().ConfigureAwait(false);
                            ahead = null;
                            current = AskPage<T>(options, limit, next, unit, cancellationToken);
                        }
                    }

                    next = page.Continue;
                } while (next is not null);
                return new KubeList<T>(items, page.ResourceVersion);
            }
            catch (ApiException gone) when (gone.IsExpired && next is not null)
            {
                // A part of one state and a part of another is no list.
            }
            finally
            {
                if (ahead is not null)
                    await ahead.DisposeAsync().ConfigureAwait(false);
            }
        }
    }

    private OpenPage AskPage<T>(ListOptions options, int limit, string? next, ActivityUnit? unit, CancellationToken cancellationToken)
        where T : class, IKubernetesEntity<T>
    {
        StringBuilder query = new((options.Kind ?? T.EntityKind).Path(options.Namespace));
        char separator = '?';
        void Add(string name, string? value)
        {
            if (string.IsNullOrEmpty(value))
                return;
            query.Append(separator).Append(name).Append('=').Append(Uri.EscapeDataString(value));
            separator = '&';
        }

        Add("labelSelector", options.LabelSelector);
        Add("fieldSelector", options.FieldSelector);
        if (limit > 0)
            Add("limit", limit.ToString());
        Add("continue", next);
        // A continue token carries its version; the server refuses both.
        if (next is null)
            Add("resourceVersion", options.ResourceVersion);
        using (unit?.Carry())
            return new OpenPage(this, new KubeRequest(HttpMethod.Get, query.ToString()), cancellationToken);
    }

    /// <summary>
    /// Reads a page and is done with it. <paramref name="onContinue"/> is told how to ask for the next before the items are read.
    /// </summary>
    private async Task<ListPage> ReadPageAsync<T>(OpenPage page, List<T> items, Action<string> onContinue)
        where T : class, IKubernetesEntity<T>
    {
        await using (page.ConfigureAwait(false))
        {
            HttpResponseMessage response = await page.Response.ConfigureAwait(false);
            // Reading counts beside the page asked for ahead, which may wait.
            using ActivityUnit? reading = ActivityTracker?.Join("reading a page of", T.EntityKind.Plural);
            using Deadline deadline = new(_options.RequestTimeout, TimeProvider, page.Token);
            return await deadline
                .GuardAsync(async token =>
                {
                    await using Stream body = await response.Content.ReadAsStreamAsync(token).ConfigureAwait(false);
                    using JsonStream json = new(body, deadline.Restart);
                    return await EntityJson
                        .ReadListAsync(json, items, onContinue, odd => LogOddObject(T.EntityKind.Kind, odd.Message), token)
                        .ConfigureAwait(false);
                })
                .ConfigureAwait(false);
        }
    }

    /// <summary>A page that is asked for and perhaps not yet wanted.</summary>
    private sealed class OpenPage : IAsyncDisposable
    {
        private readonly KubeClient _client;
        private readonly CancellationTokenSource _given;

        public OpenPage(KubeClient client, KubeRequest request, CancellationToken cancellationToken)
        {
            _client = client;
            _given = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            Response = AskAsync(request);
        }

        public CancellationToken Token => _given.Token;

        public Task<HttpResponseMessage> Response { get; }

        public async ValueTask DisposeAsync()
        {
            await _given.CancelAsync().ConfigureAwait(false);
            await ((Task)Response).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (Response.IsCompletedSuccessfully)
                Response.Result.Dispose();
            _given.Dispose();
        }

        private async Task<HttpResponseMessage> AskAsync(KubeRequest request)
        {
            // A part of the list of its own: it may wait for a timer while the page before it is read.
            using ActivityUnit? unit = _client.ActivityTracker?.Join("page of", request);
            return await _client.OpenAsync(request, Token).ConfigureAwait(false);
        }
    }
}
