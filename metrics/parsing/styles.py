"""What says how a picture is made, lit or rated, not what is on it."""

from metrics.parsing.words import phrases, words

MEDIA = {
    "oil painting": "an oil painting",
    "watercolor painting": "a watercolor painting",
    "watercolour painting": "a watercolor painting",
    "watercolor": "a watercolor painting",
    "watercolour": "a watercolor painting",
    "acrylic painting": "an acrylic painting",
    "pencil sketch": "a pencil sketch",
    "pencil drawing": "a pencil drawing",
    "charcoal drawing": "a charcoal drawing",
    "ink drawing": "an ink drawing",
    "line art": "line art",
    "lineart": "line art",
    "pixel art": "pixel art",
    "vector art": "vector art",
    "low poly": "in a low-poly style",
    "3d render": "a 3D render",
    "3d rendering": "a 3D render",
    "anime style": "in an anime style",
    "anime": "in an anime style",
    "manga": "in a manga style",
    "cartoon": "a cartoon",
    "comic": "in a comic style",
    "comic book style": "in a comic style",
    "black and white": "black and white",
    "monochrome": "black and white",
    "greyscale": "black and white",
    "grayscale": "black and white",
    "sepia": "in sepia",
    "woodcut": "a woodcut",
    "mosaic": "a mosaic",
    "collage": "a collage",
    "origami style": "in an origami style",
    "claymation": "in a claymation style",
    "ukiyo-e": "in the style of ukiyo-e",
    "art nouveau": "in the style of art nouveau",
    "art deco": "in the style of art deco",
    "pop art": "in the style of pop art",
    "impressionist": "in an impressionist style",
    "impressionism": "in an impressionist style",
    "cubist": "in a cubist style",
    "cubism": "in a cubist style",
    "silhouette": "a silhouette",
    "isometric": "isometric",
    "close-up": "a close-up",
    "closeup": "a close-up",
    "aerial view": "an aerial view",
    "polaroid": "a polaroid photo",
}
"""What a question calls it: "Is this image ...?"."""

LIGHTS = {
    "at night": "night",
    "night": "night",
    "nighttime": "night",
    "at sunset": "sunset",
    "at sunrise": "sunrise",
    "at dawn": "dawn",
    "at dusk": "dusk",
    "golden hour": "golden hour",
    "in the rain": "raining",
    "rainy": "raining",
    "in the snow": "snowy",
    "foggy": "foggy",
    "stormy": "stormy",
}
"""What a question calls it: "Is it ... in this image?"."""

SETTINGS = {"indoors": "indoors", "outdoors": "outdoors", "outside": "outdoors", "underwater": "underwater"}

FRAMES = words(
    """
    photo photograph picture image drawing painting illustration render rendering portrait sketch shot
    view scene depiction close-up closeup artwork cartoon selfie snapshot pic portrayal vector poster
    print cover
    """
)
"""At the start of a prompt and before "of": the picture itself, not a thing on it."""

QUALITY = phrases("""
    masterpiece, best quality, high quality, highest quality, good quality, normal quality, low quality,
    worst quality, amazing quality, very aesthetic, aesthetic, absurdres, absurd res, highres, hires,
    high res, high resolution, lowres, 2k, 4k, 8k, 16k, uhd, hd, hdr, full hd, ultra hd, 8k uhd, 4k uhd,
    raw photo, raw, ultra detailed, ultra-detailed, highly detailed, extremely detailed, very detailed,
    detailed, intricate details, intricate detail, intricate, fine details, hyper detailed,
    hyperdetailed, insanely detailed, sharp focus, sharp, in focus, depth of field, dof, bokeh, film
    grain, lens flare, chromatic aberration, professional, professional photography, photography, award
    winning, award-winning, stunning, beautiful, gorgeous, perfect, realistic, photorealistic,
    photo-realistic, hyperrealistic, hyperrealism, photorealism, realism, unreal engine, unreal engine
    5, octane render, octane, vray, cinema4d, blender, ray tracing, trending on artstation, artstation,
    artstation hq, deviantart, pixiv, cgsociety, concept art, digital art, digital painting, matte
    painting, illustration, artwork, official art, wallpaper, cover, cg, game cg, cinematic, cinematic
    lighting, dramatic lighting, studio lighting, soft lighting, natural lighting, volumetric lighting,
    rim lighting, global illumination, backlighting, lighting, soft light, cinematic light, cinematic
    shot, dramatic, vivid colors, vibrant colors, vibrant, colorful, composition, dynamic angle, dynamic
    pose, elegant, smooth, epic, dslr, canon, nikon, sony, fujifilm, kodak, 35mm, 50mm, 85mm, f/1.8,
    film, analog, photo, photograph, picture, image, drawing, painting, render, portrait, sketch, safe,
    nsfw, rating safe, sfw, score 9, score 8 up, score 7 up, score 6 up, score 5 up, score 4 up, newest,
    recent, source anime, solo, solo focus, looking at viewer, full body, upper body, cowboy shot, from
    above, from below, from behind, from side, wide shot, wide angle, medium shot, long shot, simple
    background, blurry background, detailed background, trending, popular, ultra realistic, super
    detailed, best shadow, white space, cute, adorable, minimalist, minimalism, surreal, fantasy,
    sci-fi, cyberpunk, steampunk, vintage, retro, warm
    """)
"""Whole tags that say how good a picture shall be, or what the camera does: nothing to ask."""
