using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using Bursar.Concurrency;
using Bursar.Sandbox.Storage;
using Bursar.Sandbox.Values;
using Microsoft.AspNetCore.Http;

namespace Bursar.Sandbox.ApiServer;

/// <summary>Serves watches: one line per change since a version, with bookmarks, selectors, streaming lists and 410.</summary>
internal sealed class WatchEndpoint(ObjectStore store, KindRegistry kinds, FaultPlan faults, TimeProvider time, ActivityTracker? activity)
{
    private static readonly TimeSpan BookmarkEvery = TimeSpan.FromMinutes(1);

    public async Task WatchAsync(
        HttpContext http,
        ResourceType type,
        string? @namespace,
        string? name,
        Representation representation,
        Fault? fault,
        CancellationToken ct
    )
    {
        var query = http.Request.Query;
        var fields = query["fieldSelector"].FirstOrDefault();
        if (name is not null)
        {
            fields = string.IsNullOrEmpty(fields) ? $"metadata.name={name}" : $"{fields},metadata.name={name}";
        }

        var selection = Selection.Parse(type.Key, query["labelSelector"].FirstOrDefault(), fields, type.FieldName);
        var bookmarks = query["allowWatchBookmarks"].FirstOrDefault() is "true" or "1" or "True";
        var streaming = query["sendInitialEvents"].FirstOrDefault() is "true" or "1";
        CheckStreaming(query, streaming);
        var asked = Version(query["resourceVersion"].FirstOrDefault());
        if (asked > store.Revision)
        {
            throw TooLarge(asked.Value, store.Revision);
        }

        var fromStart = streaming || asked is null or 0;
        var line = new Line(http, type, representation, time, Stream(http), activity);
        using var wake = new WatchSignal(activity);
        using var subscription = store.Follow(type.Key, fromStart ? null : asked, wake.Set);
        http.Response.StatusCode = 200;
        http.Response.ContentType = "application/json";
        if (subscription is null || fault is Fault.ExpireWatch)
        {
            await line.SendAsync("ERROR", ApiError.Expired($"too old resource version: {asked ?? 0} ({store.Revision})").ToStatus(), ct)
                .ConfigureAwait(false);
            return;
        }

        var cutAfter = fault is Fault.CutWatch cut ? cut.AfterLines : int.MaxValue;
        var cutRequested = false;
        void Cut(string client)
        {
            if (!http.Request.Headers.UserAgent.ToString().Contains(client, StringComparison.Ordinal))
                return;
            cutRequested = true;
            wake.Set();
        }

        void KindsChanged() => wake.Set();
        faults.WatchesCut += Cut;
        kinds.Changed += KindsChanged;
        var timeout = ListEndpoint.Number(query["timeoutSeconds"].FirstOrDefault(), "timeoutSeconds") is > 0 and { } seconds
            ? TimeSpan.FromSeconds(seconds)
            // kubectl sets no timeout and exits when the watch ends. A real server ends it after 30 to 60 minutes, which is only minutes
            // at the demo's speed.
            : Timeout.InfiniteTimeSpan;
        var ended = false;
        var bookmarkDue = false;
        try
        {
            await http.Response.StartAsync(ct).ConfigureAwait(false);
            await http.Response.BodyWriter.FlushAsync(ct).ConfigureAwait(false);
            await using var end = time.CreateTimer(
                _ =>
                {
                    ended = true;
                    wake.Set();
                },
                null,
                timeout,
                Timeout.InfiniteTimeSpan
            );
            await using var tick = bookmarks
                ? time.CreateTimer(
                    _ =>
                    {
                        bookmarkDue = true;
                        wake.Set();
                    },
                    null,
                    BookmarkEvery,
                    BookmarkEvery
                )
                : null;
            if (fromStart)
            {
                foreach (var present in subscription.Initial(@namespace))
                {
                    if (selection.Matches(present))
                    {
                        if (cutAfter-- <= 0)
                        {
                            await line.FlushAsync(ct).ConfigureAwait(false);
                            http.Abort();
                            return;
                        }

                        line.Write("ADDED", present);
                    }
                }

                if (streaming && bookmarks)
                {
                    line.Bookmark(subscription.Revision, endOfInitial: true);
                }

                await line.FlushAsync(ct).ConfigureAwait(false);
            }

            while (true)
            {
                var (changes, revision) = subscription.Take();
                if (changes is null)
                {
                    line.Write("ERROR", ApiError.Expired($"too old resource version: the watch fell behind ({revision})").ToStatus());
                    await line.FlushAsync(ct).ConfigureAwait(false);
                    return;
                }

                foreach (var change in changes)
                {
                    if (@namespace is not null && change.Object.Namespace != @namespace)
                    {
                        continue;
                    }

                    var now = change.Type != ChangeType.Deleted && selection.Matches(change.Object);
                    var before = change.Previous is not null && selection.Matches(change.Previous);
                    var what = (before, now) switch
                    {
                        (false, true) => "ADDED",
                        (true, true) => "MODIFIED",
                        (true, false) => "DELETED",
                        _ => null,
                    };
                    if (what is null)
                    {
                        continue;
                    }

                    if (cutAfter-- <= 0)
                    {
                        await line.FlushAsync(ct).ConfigureAwait(false);
                        http.Abort();
                        return;
                    }

                    // An object that no longer matches the selector is sent in its old state, with the version of the change.
                    line.Write(what, what == "DELETED" && change.Type != ChangeType.Deleted ? Left(change) : type.Bytes(change.Object));
                }

                if (bookmarkDue || (ended && bookmarks))
                {
                    bookmarkDue = false;
                    line.Bookmark(revision, endOfInitial: false);
                }

                await line.FlushAsync(ct).ConfigureAwait(false);
                if (ended || (type.Kind.IsCustom && kinds.Find(type.Kind.Group, type.Kind.Version, type.Kind.Plural) is null))
                {
                    return;
                }

                if (cutRequested)
                {
                    http.Abort();
                    return;
                }

                await wake.WaitAsync(ct).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (ct.IsCancellationRequested)
        {
            // The client disconnected, or the server stops.
        }
        finally
        {
            faults.WatchesCut -= Cut;
            kinds.Changed -= KindsChanged;
        }

        byte[] Left(Change change)
        {
            var last = type.Read(change.Previous!);
            last.Child("metadata")["resourceVersion"] = change.ResourceVersion.ToString(CultureInfo.InvariantCulture);
            return Json.ToBytes(last);
        }
    }

    internal static long? Version(string? text) =>
        string.IsNullOrEmpty(text) ? null
        : long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var version) ? version
        : throw ApiError.Invalid(
            "",
            "resourceVersion",
            "",
            [
                FieldCause.Invalid(
                    "resourceVersion",
                    JsonValue.Create(text),
                    $"strconv.ParseUint: parsing {Json.Quote(text)}: invalid syntax"
                ),
            ]
        );

    internal static ApiError TooLarge(long asked, long current) =>
        new(
            504,
            "Timeout",
            $"Timeout: Too large resource version: {asked}, current: {current}",
            new JsonObject
            {
                ["causes"] = new JsonArray(
                    (JsonNode)new JsonObject { ["reason"] = "ResourceVersionTooLarge", ["message"] = "Too large resource version" }
                ),
                ["retryAfterSeconds"] = 1,
            }
        )
        {
            RetryAfterSeconds = 1,
        };

    private static void CheckStreaming(IQueryCollection query, bool streaming)
    {
        var match = query["resourceVersionMatch"].FirstOrDefault() ?? "";
        var stated = query.ContainsKey("sendInitialEvents");
        if (stated && match.Length == 0)
        {
            throw ApiError.Invalid(
                "meta.k8s.io",
                "ListOptions",
                "",
                [FieldCause.Forbidden("sendInitialEvents", "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")]
            );
        }

        if (streaming && match != "NotOlderThan")
        {
            throw ApiError.Invalid(
                "meta.k8s.io",
                "ListOptions",
                "",
                [FieldCause.Forbidden("resourceVersionMatch", $"sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")]
            );
        }

        if (!stated && match.Length > 0)
        {
            throw ApiError.Invalid(
                "meta.k8s.io",
                "ListOptions",
                "",
                [
                    FieldCause.Forbidden(
                        "resourceVersionMatch",
                        "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
                    ),
                ]
            );
        }
    }

    private static Guid? Stream(HttpContext http) =>
        Guid.TryParse(http.Request.Headers[ActivityTracker.Header].ToString(), out var id) ? id : null;

    /// <summary>Writes the lines of a watch in the form that its client accepts.</summary>
    private sealed class Line(
        HttpContext http,
        ResourceType type,
        Representation representation,
        TimeProvider time,
        Guid? stream,
        ActivityTracker? activity
    )
    {
        private bool _columnsSent;

        public void Write(string what, StoredObject obj) => Write(what, type.Bytes(obj));

        public void Write(string what, byte[] obj)
        {
            if (representation.Form != Form.Object)
            {
                var shown = representation.Show(type, Json.ParseObject(obj), time.GetUtcNow(), !_columnsSent);
                _columnsSent = true;
                obj = Json.ToBytes(shown);
            }

            Put(what, obj);
        }

        public void Write(string what, JsonObject status) => Put(what, Json.ToBytes(status));

        public async Task SendAsync(string what, JsonObject status, CancellationToken ct)
        {
            Put(what, Json.ToBytes(status));
            await FlushAsync(ct).ConfigureAwait(false);
        }

        public void Bookmark(long revision, bool endOfInitial)
        {
            var metadata = new JsonObject
            {
                ["resourceVersion"] = revision.ToString(CultureInfo.InvariantCulture),
                ["creationTimestamp"] = null,
            };
            if (endOfInitial)
            {
                metadata["annotations"] = new JsonObject { ["k8s.io/initial-events-end"] = "true" };
            }

            var obj = representation.Form switch
            {
                Form.Table => new JsonObject
                {
                    ["kind"] = "Table",
                    ["apiVersion"] = "meta.k8s.io/v1",
                    ["metadata"] = new JsonObject { ["resourceVersion"] = metadata.Text("resourceVersion") },
                    ["columnDefinitions"] = new JsonArray(),
                    ["rows"] = new JsonArray(
                        (JsonNode)
                            new JsonObject
                            {
                                ["cells"] = new JsonArray(),
                                ["object"] = new JsonObject
                                {
                                    ["kind"] = "PartialObjectMetadata",
                                    ["apiVersion"] = "meta.k8s.io/v1",
                                    ["metadata"] = metadata,
                                },
                            }
                    ),
                },
                Form.Metadata => new JsonObject
                {
                    ["kind"] = "PartialObjectMetadata",
                    ["apiVersion"] = "meta.k8s.io/v1",
                    ["metadata"] = metadata,
                },
                _ => new JsonObject
                {
                    ["kind"] = type.Kind.Kind,
                    ["apiVersion"] = type.Kind.ApiVersion,
                    ["metadata"] = metadata,
                },
            };
            Put("BOOKMARK", Json.ToBytes(obj));
        }

        public async Task FlushAsync(CancellationToken ct) => await http.Response.BodyWriter.FlushAsync(ct).ConfigureAwait(false);

        private void Put(string what, byte[] obj)
        {
            if (stream is { } id)
            {
                activity?.Sent(id);
            }

            var head = Encoding.ASCII.GetBytes($"{{\"type\":\"{what}\",\"object\":");
            var writer = http.Response.BodyWriter;
            var span = writer.GetSpan(head.Length + obj.Length + 2);
            head.CopyTo(span);
            obj.CopyTo(span[head.Length..]);
            "}\n"u8.CopyTo(span[(head.Length + obj.Length)..]);
            writer.Advance(head.Length + obj.Length + 2);
        }
    }

    /// <summary>
    /// Wakes a watch. The tracker counts a unit from the signal until the watch has written its lines, so that virtual time cannot advance
    /// between a write and its event. It also counts from the opening until the initial lines are written, because the client's own unit
    /// ends when the watch is accepted.
    /// </summary>
    private sealed class WatchSignal : IDisposable
    {
        private const string What = "watch to be written";

        private readonly ActivityTracker? _activity;
        private readonly Channel<byte> _signal = Channel.CreateUnbounded<byte>(new UnboundedChannelOptions { SingleReader = true });
        private readonly Lock _gate = new();
        private bool _pending;
        private bool _working = true;
        private bool _closed;

        public WatchSignal(ActivityTracker? activity)
        {
            _activity = activity;
            activity?.Begin(What);
        }

        public void Set()
        {
            lock (_gate)
            {
                if (_pending || _closed)
                {
                    return;
                }

                _pending = true;
                _activity?.Begin(What);
            }

            _signal.Writer.TryWrite(0);
        }

        public async Task WaitAsync(CancellationToken ct)
        {
            lock (_gate)
            {
                if (_working)
                {
                    _working = false;
                    _activity?.End(What);
                }
            }

            await _signal.Reader.ReadAsync(ct).ConfigureAwait(false);
            lock (_gate)
            {
                _pending = false;
                _working = true;
            }
        }

        public void Dispose()
        {
            lock (_gate)
            {
                _closed = true;
                if (_pending)
                {
                    _activity?.End(What);
                }

                if (_working)
                {
                    _activity?.End(What);
                }
            }
        }
    }
}
