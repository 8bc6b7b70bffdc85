using System.Globalization;
using System.IO.Pipelines;
using System.Text;
using System.Text.Json.Nodes;
using Bursar.Sandbox.Storage;
using Bursar.Sandbox.Tables;
using Bursar.Sandbox.Values;
using Microsoft.AspNetCore.Http;

namespace Bursar.Sandbox.ApiServer;

/// <summary>Serves consistent lists, paged by continue tokens that expire. Stored bytes are written unchanged.</summary>
internal sealed class ListEndpoint(ObjectStore store, TimeProvider time)
{
    private const int FlushBytes = 128 * 1024;
    private const int MaxPictures = 128;
    private static readonly TimeSpan TokenLife = TimeSpan.FromMinutes(5);
    private readonly Lock _gate = new();
    private readonly Dictionary<long, Picture> _pictures = [];
    private long _lastPicture;

    public async Task ListAsync(
        HttpContext http,
        ResourceType type,
        string? @namespace,
        Representation representation,
        CancellationToken ct
    )
    {
        var query = http.Request.Query;
        var selection = Selection.Parse(
            type.Key,
            query["labelSelector"].FirstOrDefault(),
            query["fieldSelector"].FirstOrDefault(),
            type.FieldName
        );
        var limit = Number(query["limit"].FirstOrDefault(), "limit") ?? 0;
        var page = Page(type, @namespace, selection, query, limit);
        var metadata = new JsonObject { ["resourceVersion"] = page.Revision.ToString(CultureInfo.InvariantCulture) };
        if (page.Continue is not null)
        {
            metadata["continue"] = page.Continue;
            if (selection.IsEverything)
            {
                metadata["remainingItemCount"] = page.Remaining;
            }
        }

        http.Response.StatusCode = 200;
        http.Response.ContentType = "application/json";
        switch (representation.Form)
        {
            case Form.Table:
                var table = TablePrinter.Print(
                    type.Kind,
                    page.Objects.Select(type.Read),
                    time.GetUtcNow(),
                    representation.IncludeObject,
                    true,
                    metadata
                );
                await http.Response.BodyWriter.WriteAsync(Json.ToBytes(table), ct).ConfigureAwait(false);
                return;
            case Form.Metadata:
                await WriteAsync(
                        http.Response.BodyWriter,
                        "PartialObjectMetadataList",
                        "meta.k8s.io/v1",
                        metadata,
                        page.Objects.Select(o => Json.ToBytes(Representation.MetadataOnly(type.Read(o)))),
                        ct
                    )
                    .ConfigureAwait(false);
                return;
            default:
                var listKind = type.Kind.ListKind.Length > 0 ? type.Kind.ListKind : type.Kind.Kind + "List";
                await WriteAsync(http.Response.BodyWriter, listKind, type.Kind.ApiVersion, metadata, page.Objects.Select(type.Bytes), ct)
                    .ConfigureAwait(false);
                return;
        }
    }

    /// <summary>Drops all snapshots, so that every continue token gets 410.</summary>
    public void ForgetPages()
    {
        lock (_gate)
        {
            _pictures.Clear();
        }
    }

    public static long? Number(string? text, string name)
    {
        if (string.IsNullOrEmpty(text))
        {
            return null;
        }

        return long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number)
            ? number
            : throw ApiError.BadRequest($"strconv.ParseInt: parsing {Json.Quote(text)}: invalid syntax ({name})");
    }

    private PageOfObjects Page(ResourceType type, string? @namespace, Selection selection, IQueryCollection query, long limit)
    {
        if (query["continue"].FirstOrDefault() is { Length: > 0 } token)
        {
            return Continued(token, limit);
        }

        var (all, revision) = store.List(type.Key, @namespace);
        var asked = query["resourceVersion"].FirstOrDefault() ?? "";
        var match = query["resourceVersionMatch"].FirstOrDefault() ?? "";
        if (match.Length > 0 && (asked.Length == 0 || match is not ("Exact" or "NotOlderThan")))
        {
            throw ApiError.Invalid(
                "meta.k8s.io",
                "ListOptions",
                "",
                [FieldCause.Forbidden("resourceVersionMatch", "resourceVersionMatch is forbidden unless resourceVersion is provided")]
            );
        }

        if (asked.Length > 0 && asked != "0")
        {
            var version = WatchEndpoint.Version(asked)!.Value;
            if (version > revision)
            {
                throw WatchEndpoint.TooLarge(version, revision);
            }

            if (match == "Exact" && version < revision)
            {
                all = At(type.Key, @namespace, version);
                revision = version;
            }
        }

        var selected = selection.IsEverything ? all : all.Where(selection.Matches);
        if (limit <= 0)
        {
            return new PageOfObjects(selected, revision, null, 0);
        }

        var objects = selected.ToArray();
        return objects.Length <= limit ? new PageOfObjects(objects, revision, null, 0) : First(objects, revision, (int)limit);
    }

    /// <summary>Computes the state at an older version by reverting the changes since then.</summary>
    private List<StoredObject> At(ResourceKey resource, string? @namespace, long version)
    {
        using var past = store.Follow(resource, version, static () => { })
            ?? throw ApiError.Expired("The provided resource version is too old to display a consistent list result.");
        var objects = past.Initial(null).ToDictionary(o => (o.Namespace, o.Name));
        var (changes, _) = past.Take();
        foreach (var change in Enumerable.Reverse(changes ?? []))
        {
            var key = (change.Object.Namespace, change.Object.Name);
            if (change.Previous is null)
            {
                objects.Remove(key);
            }
            else
            {
                objects[key] = change.Previous;
            }
        }

        return
        [
            .. objects
                .Values.Where(o => @namespace is null || o.Namespace == @namespace)
                .OrderBy(o => o.Namespace, StringComparer.Ordinal)
                .ThenBy(o => o.Name, StringComparer.Ordinal),
        ];
    }

    private PageOfObjects First(StoredObject[] objects, long revision, int limit)
    {
        lock (_gate)
        {
            var now = time.GetUtcNow();
            foreach (var (id, picture) in _pictures.Where(p => p.Value.Expires <= now || p.Key <= _lastPicture - MaxPictures).ToList())
            {
                _pictures.Remove(id);
            }

            _pictures[++_lastPicture] = new Picture(objects, revision, now + TokenLife);
            return Cut(objects, revision, _lastPicture, 0, limit);
        }
    }

    private PageOfObjects Continued(string token, long limit)
    {
        long id;
        int offset;
        try
        {
            var parts = Encoding
                .ASCII.GetString(
                    Convert.FromBase64String(token.Replace('-', '+').Replace('_', '/') + new string('=', (4 - (token.Length % 4)) % 4))
                )
                .Split(':');
            id = long.Parse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture);
            offset = int.Parse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture);
        }
        catch (Exception e) when (e is FormatException or IndexOutOfRangeException or OverflowException)
        {
            throw ApiError.BadRequest("continue key is not valid: " + e.Message);
        }

        lock (_gate)
        {
            if (!_pictures.TryGetValue(id, out var picture) || picture.Expires <= time.GetUtcNow())
            {
                throw ApiError.Expired(
                    "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter."
                );
            }

            var page = Cut(picture.Objects, picture.Revision, id, offset, limit <= 0 ? int.MaxValue : (int)limit);
            if (page.Continue is null)
            {
                _pictures.Remove(id);
            }

            return page;
        }
    }

    private static PageOfObjects Cut(StoredObject[] objects, long revision, long id, int offset, int limit)
    {
        var count = Math.Min(limit, objects.Length - offset);
        var next = offset + count;
        var token =
            next < objects.Length
                ? Convert
                    .ToBase64String(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{id}:{next}")))
                    .TrimEnd('=')
                    .Replace('+', '-')
                    .Replace('/', '_')
                : null;
        return new PageOfObjects(new ArraySegment<StoredObject>(objects, offset, count), revision, token, objects.Length - next);
    }

    private static async Task WriteAsync(
        PipeWriter writer,
        string kind,
        string apiVersion,
        JsonObject metadata,
        IEnumerable<byte[]> items,
        CancellationToken ct
    )
    {
        Put(
            writer,
            Encoding.UTF8.GetBytes(
                $"{{\"kind\":\"{kind}\",\"apiVersion\":\"{apiVersion}\",\"metadata\":{Json.ToText(metadata)},\"items\":["
            )
        );
        var first = true;
        var unflushed = 0;
        foreach (var item in items)
        {
            if (!first)
            {
                Put(writer, ","u8);
            }

            first = false;
            Put(writer, item);
            unflushed += item.Length;
            if (unflushed >= FlushBytes)
            {
                unflushed = 0;
                await writer.FlushAsync(ct).ConfigureAwait(false);
            }
        }

        Put(writer, "]}\n"u8);
        await writer.FlushAsync(ct).ConfigureAwait(false);
    }

    private static void Put(PipeWriter writer, ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(writer.GetSpan(bytes.Length));
        writer.Advance(bytes.Length);
    }

    private sealed record Picture(StoredObject[] Objects, long Revision, DateTimeOffset Expires);

    private sealed record PageOfObjects(IEnumerable<StoredObject> Objects, long Revision, string? Continue, int Remaining);
}
